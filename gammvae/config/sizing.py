"""Fills in the settings that depend on the size of the data.

A network of a million weights is of no use to a table of a thousand numbers, and costs several
times as much a step as one that is just as good. A small table gets a narrow network, and fewer
steps at a higher learning rate.

Notation: ``N`` samples, ``F`` features.
"""

from dataclasses import replace
from operator import attrgetter
from typing import Any

from gammvae.config.schema import Config

WIDE, NARROW = [500, 500, 2000], [128, 128]
# A table is small if it has fewer values, N F, than the narrow network has weights besides those of
# the features, of which there are as many for each: 37,140. The wide network has 2.5 million.
SMALL_TABLE = 128 + 2 * 129 * 128 + 129 * 20 + 11 * 128
# Adam moves every weight by about the learning rate, so the change of a layer's output is in
# proportion to its width. The rate of the narrow network makes up for its width: 1000 units a layer
# on average against 128.
RATE, NARROW_RATE = 1e-3, 8e-3
UPDATES = 3000
NARROW_PRETRAIN_UPDATES, NARROW_TRAIN_UPDATES = 1000, 500


def chosen_by_size(config: Config, n_samples: int, n_features: int) -> dict[str, Any]:
    """Values of the settings that are null because they depend on the size of the data.

    The learning rate belongs to the network, and few steps to its higher rate: with other widths or
    another rate, or with another optimizer than Adam, a small table gets as many steps as any.

    References:
        Tensor Programs V (Yang et al., 2021), https://arxiv.org/abs/2203.03466, on Adam's learning
        rate in networks of different width

    Args:
        config: Configuration of the run.
        n_samples: ``N``.
        n_features: ``F``.

    Returns:
        Values by the name of the setting, such as ``train.updates``; empty if none is null.
    """
    architecture, optimizer = config.architecture, config.optimizer
    small = n_samples * n_features < SMALL_TABLE
    suitable = NARROW if small else WIDE
    own = architecture.channels or architecture.layers
    narrow = (architecture.hidden or suitable) == NARROW and not own
    fast = narrow and optimizer.lr is None and optimizer.name in ("Adam", "AdamW")
    rate = NARROW_RATE if fast else RATE
    values = {
        "architecture.hidden": suitable,
        "optimizer.lr": rate,
        "optimizer.mixture_lr": rate,
        "pretrain.updates": NARROW_PRETRAIN_UPDATES if fast and small else UPDATES,
        "train.updates": NARROW_TRAIN_UPDATES if fast and small else UPDATES,
    }
    return {key: value for key, value in values.items() if attrgetter(key)(config) is None}


def sized(config: Config, n_samples: int, n_features: int) -> Config:
    """The configuration with ``chosen_by_size`` in place of null; the given one stays unchanged."""
    for key, value in chosen_by_size(config, n_samples, n_features).items():
        section, name = key.split(".")
        config = replace(config, **{section: replace(getattr(config, section), **{name: value})})
    return config
