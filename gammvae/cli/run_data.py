"""The data of a finished run, loaded again."""

from gammvae.config.schema import Config
from gammvae.data.by_name import load_dataset
from gammvae.data.dataset import Dataset
from gammvae.errors import InputError
from gammvae.runs.directory import RunDirectory
from gammvae.runs.records import Result


def data_of(directory: RunDirectory, config: Config, result: Result) -> Dataset:
    """The dataset that a run was trained on, before preprocessing.

    Args:
        directory: Directory of the run, for the message.
        config: Result of ``reuse.usable_config``.
        result: Result of the run.

    Raises:
        InputError: It cannot be loaded, or has changed since.
    """
    name, dataset = config.dataset.name, load_dataset(config.dataset, config.device)
    if dataset.digest != result["dataset_digest"]:
        named = f"dataset.path={config.dataset.path}" if config.dataset.path else f"dataset {name}"
        raise InputError(f"{named} is not what {directory.path} was trained on")
    return dataset
