"""IDEC: DEC plus the reconstruction error, so that embeddings keep the structure of the data.

References:
    Improved deep embedded clustering with local structure preservation (Guo et al., 2017),
    https://www.ijcai.org/proceedings/2017/243
"""

from functools import partial

from gammvae.training.methods.dec import CenteredAutoencoder, SelfTraining
from gammvae.training.workspace import Workspace

OPTIONS = ("starts",)


def method(work: Workspace) -> SelfTraining:
    """DEC with the decoder; ``train.kl_weight`` weights the divergence against the error."""
    return SelfTraining(work, partial(CenteredAutoencoder, reconstructs=True))
