"""Values of an experiment that differ between datasets, as ``${by_dataset:VALUE,{NAME:OTHER}}``.

The name is that of the dataset, ``dataset.name``. Hydra can choose files by it, but has no rule for
all other datasets.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def by_dataset(
    otherwise: Any,  # noqa: ANN401 - of any setting's type
    special: DictConfig,
    *,
    _root_: DictConfig,
) -> Any:  # noqa: ANN401
    """The value for the dataset of the configuration.

    Args:
        otherwise: Value for the datasets without one of their own.
        special: Values by name of the dataset.
    """
    return special.get(_root_.dataset.name, otherwise)


OmegaConf.register_new_resolver("by_dataset", by_dataset, replace=True)
