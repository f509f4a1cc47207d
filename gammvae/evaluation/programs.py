"""A trained model as two modules of plain tensors, which other programs can run.

One assigns samples to clusters, the other decodes embeddings. Both include the preprocessing of the
run, in torch's operations instead of numpy's.

Notation: ``B`` batch, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from typing import cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gammvae.data.preprocessing import Preprocessing, span
from gammvae.model.vae import MixtureVAE


class Preprocess(nn.Module):
    """The transformation of ``preprocessing.Preprocessing``, and its inverse.

    Args:
        preprocessing: The transformation, as it was fitted.
        medians: Values ``(F,)`` in place of missing ones, or ``None`` if none may be missing.
    """

    def __init__(self, preprocessing: Preprocessing, medians: NDArray | None = None) -> None:
        super().__init__()
        self.name, self.invertible = preprocessing.name, preprocessing.invertible
        figures = dict(preprocessing.figures)
        if self.name == "minmax":
            figures["span"] = span(figures["low"], figures.pop("high"))
        for name, value in figures.items():
            self.register_buffer(name, as_double(value))
        self.fills = medians is not None
        if medians is not None:
            self.register_buffer("medians", as_double(medians))

    @property
    def dtype(self) -> torch.dtype:
        """The type of samples in the user's units: that in which they are transformed."""
        return torch.float32 if self.name == "none" else torch.float64

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``(B, F)`` of type ``dtype`` as the model takes them, in float32."""
        if self.fills:
            x = torch.where(x.isnan(), self.get_buffer("medians").to(x.dtype), x)
        if self.name == "standardize":
            x = (x - self.get_buffer("mean")) / self.get_buffer("deviation")
        elif self.name == "minmax":
            x = ((x - self.get_buffer("low")) / self.get_buffer("span")).clamp(0, 1)
        elif self.name == "tfidf":
            x = of_length_1(x * self.get_buffer("idf"))
        elif self.name == "l2":
            x = of_length_1(x)
        return x.float()

    def back(self, x: Tensor) -> Tensor:
        """Rows ``(B, F)`` in the user's units, if these can be recovered, or else as they are."""
        if self.name == "standardize":
            return x.double() * self.get_buffer("deviation") + self.get_buffer("mean")
        if self.name == "minmax":
            return x.double() * self.get_buffer("span") + self.get_buffer("low")
        return x


def as_double(values: NDArray) -> Tensor:
    """A copy of the values as a tensor of float64."""
    return torch.tensor(values, dtype=torch.float64)


def of_length_1(x: Tensor) -> Tensor:
    """Rows ``(B, F)`` divided by their lengths, as ``sklearn.preprocessing.normalize`` does it."""
    length = x.square().sum(-1, keepdim=True).sqrt()
    return x / torch.where(length == 0, torch.ones_like(length), length)


class ClusterProgram(nn.Module):
    """Samples to embedding, ``q(c|x)`` and label.

    Args:
        model: A trained model, in evaluation as ``assignments.assign`` uses it.
        preprocessing: The transformation that comes before it.
        medians: See ``Preprocess``.
    """

    INPUTS = ("x",)
    OUTPUTS = ("embedding", "responsibilities", "label")

    def __init__(
        self, model: MixtureVAE, preprocessing: Preprocessing, medians: NDArray | None = None
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(preprocessing, medians)
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Assigns samples to clusters.

        Args:
            x: Samples ``(B, *shape)`` in the user's units.

        Returns:
            The mean of ``q(z|x)`` ``(B, D)``, ``q(c|x)`` ``(B, K)`` and the label ``(B,)``.
        """
        q_z = self.model.encoder(self.preprocess(x.flatten(1)))
        responsibilities = self.model.assign(q_z).probs
        return q_z.mean, responsibilities, responsibilities.argmax(-1)


class DecoderProgram(nn.Module):
    """Embeddings to the means of ``p(x|z)``.

    Args:
        model: A trained model.
        preprocessing: The transformation that is inverted after it, if it can be.
        shape: Shape of a sample.
    """

    INPUTS = ("embedding",)
    OUTPUTS = ("x",)

    def __init__(
        self, model: MixtureVAE, preprocessing: Preprocessing, shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(preprocessing)
        self.decoder = model.decoder
        self.shape = shape

    def forward(self, embedding: Tensor) -> Tensor:
        """Decodes embeddings ``(B, D)`` to samples ``(B, *shape)``."""
        mean = cast(Tensor, self.decoder(embedding).mean)
        return self.preprocess.back(mean).unflatten(-1, self.shape)
