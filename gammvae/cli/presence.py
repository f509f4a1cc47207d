"""Which datasets of tables are here, how to get the others, and which have no classes."""

from collections.abc import Mapping

from gammvae.cli.catalog import Catalog, absent
from gammvae.config.schema import Config
from gammvae.data.by_name import store_of
from gammvae.errors import InputError
from gammvae.system.paths import user_path
from gammvae.tables.described import Description
from gammvae.tables.results import OF_CLASSES

# Reads one file, with classes only where ``dataset.labels`` says.
OF_A_FILE = "gammvae.data.files.load"


def absent_datasets(catalog: Catalog, tables: Mapping[str, Description]) -> dict[str, str]:
    """The datasets of tables whose files are not here, and how to get these.

    Args:
        catalog: All datasets.
        tables: Descriptions of tables, by name.

    Raises:
        InputError: A table has an unknown dataset.
    """
    known, found = catalog.names(), {}
    for name, table in tables.items():
        for dataset in table["datasets"]:
            if dataset not in known:
                raise InputError(
                    f"table {name} has the unknown dataset {dataset!r}: it must be one of "
                    f"{', '.join(known)}"
                )
            if dataset not in found:
                found[dataset] = remedy(catalog.config(dataset, "dataset.download=false"))
    return {dataset: text for dataset, text in found.items() if text}


def check_classes(catalog: Catalog, tables: Mapping[str, Description]) -> None:
    """Refuses tables that would stay empty, because a file has no classes for their metrics.

    Args:
        catalog: All datasets.
        tables: Descriptions of tables, by name.

    Raises:
        InputError: A table has such a dataset.
    """
    for name, table in tables.items():
        if not {*table["metrics"]} <= {*OF_CLASSES}:
            continue
        for dataset in table["datasets"]:
            config = catalog.config(dataset, "dataset.download=false").dataset
            if config.loader.get("_target_") == OF_A_FILE and config.labels is None:
                raise InputError(
                    f"table {name} would be empty for {dataset}: its metrics, "
                    f"{', '.join(table['metrics'])}, need classes, which the setting labels of "
                    "the dataset names; metric=elbo,silhouette needs none"
                )


def remedy(config: Config) -> str:
    """How to get the files of a dataset; empty if they are here."""
    dataset = config.dataset
    if dataset.path is not None and not user_path(dataset.path).exists():
        return f"dataset.path={dataset.path} does not exist"
    if not absent(store_of(dataset)):
        return ""
    size = f" ({dataset.about.size})" if dataset.about.size else ""
    return f"gammvae datasets fetch {dataset.name}{size}"
