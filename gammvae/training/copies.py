"""Copies of the networks' weights in a lower precision, in which the steps of a stage compute.

Autocast makes such copies anew in every step, and converts the gradients one by one. Here the
copies take the place of the weights during an epoch, and all of them are converted at once, which
gives the same numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gammvae.model.convolution import Float32Layer
from gammvae.training.precision import LAYERS


class WeightCopies:
    """Replaces the weights of a model's layers by copies, while these are in place.

    The weights themselves stay in float32, and the optimizer updates them.

    Args:
        model: The model to be trained.
        precision: Data type of the copies; nothing is replaced if it is float32.
    """

    def __init__(self, model: nn.Module, precision: torch.dtype) -> None:
        self.places: list[tuple[nn.Module, str, int]] = []
        self.weights: list[Tensor] = []
        found: dict[Tensor, int] = {}  # layers may share a weight, and then they share its copy
        if precision != torch.float32:
            kept = {
                weight
                for layer in model.modules()
                if not computes_with_copies(layer)
                for weight in layer.parameters(recurse=False)
            }  # the gradients of a weight that others use, too, add up in the weight itself
            for layer in filter(computes_with_copies, model.modules()):
                for name, weight in layer.named_parameters(recurse=False):
                    if weight not in kept:
                        self.places.append((layer, name, found.setdefault(weight, len(found))))
            self.weights = list(found)
        self.copies: list[Tensor] = [
            nn.Parameter(weight.detach().to(precision), weight.requires_grad)
            for weight in self.weights
        ]
        self.gradients = [torch.empty_like(weight) for weight in self.weights]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the copies in place of the weights, as they are now, until the end."""
        self._place(self.copies)
        self.refresh()
        try:
            yield
        finally:
            self._place(self.weights)

    def _place(self, parameters: list[Tensor]) -> None:
        for layer, name, number in self.places:
            setattr(layer, name, parameters[number])

    def take_gradients(self) -> None:
        """Moves the gradients of the copies to the weights, in float32."""
        found: list[Tensor] = []
        targets: list[Tensor] = []
        for weight, copy, gradient in zip(self.weights, self.copies, self.gradients, strict=True):
            if copy.grad is not None:
                found.append(copy.grad)
                targets.append(gradient)
                weight.grad, copy.grad = gradient, None
        if found:
            torch._foreach_copy_(targets, found)

    @torch.no_grad()
    def refresh(self) -> None:
        """Copies the weights, after the optimizer has changed them."""
        if self.copies:
            torch._foreach_copy_(self.copies, self.weights)


def computes_with_copies(layer: nn.Module) -> bool:
    """Whether autocast computes a layer in the lower precision."""
    return isinstance(layer, LAYERS) and not isinstance(layer, Float32Layer)
