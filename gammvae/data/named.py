"""``load_dataset``: a dataset by its name, in Python."""

from pathlib import Path

from gammvae.config.composition import composed, search_path
from gammvae.config.overrides import in_grammar
from gammvae.data import by_name
from gammvae.data.dataset import Dataset, check_samples


def load_dataset(name: str, *, config_dir: str | Path | None = None) -> Dataset:
    """The dataset of ``gammvae train dataset=NAME``, before preprocessing.

    Args:
        name: Of the dataset.
        config_dir: Folder with YAML files of your own, such as ``dataset/NAME.yaml``.

    Raises:
        InputError: There is no such dataset, or it cannot be loaded.
    """
    config = composed([*search_path(config_dir), f"dataset={in_grammar(name)}"]).config
    dataset = by_name.load_dataset(config.dataset, config.device)
    check_samples(dataset, name)
    return dataset
