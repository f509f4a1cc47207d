"""Deep clustering with a Gamma mixture variational autoencoder."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammvae.data.dataset import Dataset
    from gammvae.data.named import load_dataset
    from gammvae.estimators.estimator import GammMVAE
    from gammvae.mixture.estimator import GammaMixture

__all__ = ["Dataset", "GammMVAE", "GammaMixture", "__version__", "load_dataset"]
__version__ = "0.1.0"

# Imported when they are asked for, so that the command line answers at once.
HOMES = {
    "Dataset": "gammvae.data.dataset",
    "load_dataset": "gammvae.data.named",
    "GammMVAE": "gammvae.estimators.estimator",
    "GammaMixture": "gammvae.mixture.estimator",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - of whatever kind it is
    """A public name.

    Raises:
        AttributeError: There is none such.
    """
    if name not in HOMES:
        raise AttributeError(f"module 'gammvae' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
