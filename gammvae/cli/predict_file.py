"""The work of ``gammvae predict``: assigns the samples of a file to clusters, in chunks.

Notation: ``N`` samples, ``B`` samples of a chunk, ``F`` features, ``K`` clusters, ``D`` latent
features.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gammvae.cli.catalog import Catalog
from gammvae.cli.settings import PredictSettings
from gammvae.cli.table_writer import TABLES, write_table
from gammvae.cli.users_columns import has_positions
from gammvae.config.sections import DatasetConfig
from gammvae.data.by_name import load_dataset
from gammvae.data.dataset import Dataset
from gammvae.data.files import WITH_NAMES
from gammvae.data.files import read as read_file
from gammvae.data.folder import load as load_folder
from gammvae.data.formats.arrays import Table
from gammvae.data.formats.request import Keys, Request
from gammvae.data.new_samples import completed, in_order_of, preprocessed
from gammvae.data.rows import Rows
from gammvae.data.samples import Samples, samples_on
from gammvae.data.training_data import Facts
from gammvae.errors import InputError
from gammvae.evaluation.assignments import assign, bounds, elbo_of
from gammvae.runs.directory import RunDirectory
from gammvae.runs.npz import NpzWriter
from gammvae.runs.trained import Trained
from gammvae.system.paths import user_path
from gammvae.system.writing import refuse_existing, refuse_replacing, write_whole

if TYPE_CHECKING:
    import pyarrow

log = logging.getLogger(__name__)

KINDS = (".npz", *TABLES)
# The loaders of dataset=folder and dataset=features, as configurations name them.
OF_FOLDERS, OF_FEATURES = "gammvae.data.folder.load", "gammvae.data.features.load"
KEYS = Keys(
    path="data",
    array="array",
    labels="",
    drop="drop",
    header="header",
    index="",
    missing="",
    categorical="",
)


def predict(directory: RunDirectory, trained: Trained, settings: PredictSettings) -> list[str]:
    """Writes the cluster assignments of a file's samples, and returns a summary in lines.

    Args:
        directory: Directory of the run.
        trained: The finished run with its model.
        settings: Settings of the command, with the files to read and to write.

    Raises:
        InputError: A file cannot be read or has an unknown format, the file to write exists, or
            samples do not match those that the run was trained on.
    """
    target = user_path(settings.out)
    kind = target.suffix.lower()
    if kind not in KINDS:
        raise InputError(
            f"out={settings.out} is of unknown kind: it must end in {', '.join(KINDS)}"
        )
    refuse_replacing("out", target, [user_path(settings.data)])
    directory.check_output("out", target)
    rows, names = read(trained, settings)
    refuse_existing("out", target, settings.overwrite)
    x = samples_on(trained.device, rows)
    counts: Counter[str] = Counter()
    parts = named(predictions(trained, x, counts), names)
    if kind in TABLES:
        given = replace(trained.config.dataset, path=settings.data)
        write_table(target, (as_table(part, has_positions(given)) for part in parts))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        with NpzWriter(target, len(x)) as arrays:
            for part in parts:
                arrays.append(part)
            write_whole(target, arrays.pack)
    return [
        f"{len(x)} samples in {counts['clusters']} of {trained.config.n_clusters} clusters",
        f"{counts['unlikely']} of them are unlikely: their ELBO is below that of 99 % of the "
        f"samples the run was trained on ({trained.result['metrics']['elbo_unlikely']:.2f})",
        str(target),
    ]


def read(trained: Trained, settings: PredictSettings) -> tuple[Rows, Sequence[str]]:
    """The samples of a file ``(N, F)``, preprocessed as the model expects, and their names.

    Raises:
        InputError: They do not match the samples that the run was trained on.
    """
    if user_path(settings.data).is_dir():
        data = read_folder(trained, settings)
    else:
        data = read_samples(trained, settings)
    return preprocessed(data, trained.facts, f"data={settings.data}"), data.samples


def read_folder(trained: Trained, settings: PredictSettings) -> Dataset:
    """The images in a folder, as the run takes them: as pixels of its shape or as features.

    Raises:
        InputError: The run was trained on no images in a folder, or some cannot be read.
    """
    loader = trained.config.dataset.loader.get("_target_")
    if loader not in (OF_FOLDERS, OF_FEATURES):
        raise InputError(
            f"data={settings.data} is a folder: only runs of dataset=folder or dataset=features "
            "take one, others a file"
        )
    for name, value in (("array", settings.array), ("drop", settings.drop)):
        if value:
            raise InputError(f"{name}={value} has no use: data={settings.data} is a folder")
    if loader == OF_FOLDERS:
        return load_folder(settings.data, None, trained.facts.shape, "data")
    # Weights, addresses and folders are those of the program, because the run is not trusted.
    known = Catalog(None, []).config("features", f"n_clusters={trained.config.n_clusters}").dataset
    dataset = replace(known, path=settings.data, network=trained.config.dataset.network)
    data = load_dataset(dataset, str(trained.device))
    if data.shape != trained.facts.shape:
        raise InputError(
            f"data={settings.data} has {data.shape[0]} features of dataset.network="
            f"{dataset.network}: the run was trained on {trained.facts.shape}"
        )
    return data


def read_samples(trained: Trained, settings: PredictSettings) -> Dataset:
    """The samples of a file, arranged as those that a run was trained on.

    Raises:
        InputError: The file cannot be read, or its samples have other features.
    """
    given, facts, what = trained.config.dataset, trained.facts, f"data={settings.data}"
    request = request_like(given, facts, settings)
    _, table = read_file(settings.data, request)
    check_features(table, facts, request, what)
    stored = Dataset(table.x, None, table.shape, samples=tuple(table.samples))
    data, remarks = in_order_of(given, facts, stored, what)
    data, counted = completed(data, given, facts, what)
    for note in (*table.notes, *remarks, *counted):
        log.warning("%s: %s", what, note)
    return data


def request_like(given: DatasetConfig, facts: Facts, settings: PredictSettings) -> Request:
    """How to read a file whose samples are like those that a run was trained on.

    Args:
        given: Dataset configuration of the run.
        facts: Facts about the data that the run was trained on.
        settings: Settings of the command, which take precedence over the run's.
    """
    kind = Path(settings.data).suffix.lower()
    others = [*given.drop, *filter(None, [given.labels])]
    header = given.header if kind in (".csv", ".tsv") else None
    return Request(
        array=settings.array or (given.array if kind in WITH_NAMES else None),
        drop=settings.drop,
        spare=[] if settings.drop else others,
        known=[*facts.names, *others],
        header=header if settings.header is None else settings.header,
        index=given.index,
        missing=given.missing,
        categorical="onehot" if facts.categories else "refuse",
        categories=facts.categories,
        keys=KEYS,
    )


def check_features(table: Table, facts: Facts, request: Request, what: str) -> None:
    """Refuses samples whose size or columns differ from those that a run was trained on."""
    found, expected = table.x.shape[1], math.prod(facts.shape)
    unknown = [name for name in table.features if name not in facts.names]
    others = [name for name in table.names if name in (*request.drop, *request.spare)]
    known = [name for name in table.features if name in facts.names]
    advice = ""
    if unknown and known == list(facts.names):
        effect = "leaves out the columns that the run was not trained on"
        advice = request.advice((request.keys.drop, [*others, *unknown], effect))
    if found != expected:
        raise InputError(
            f"{what} has samples of {found} values: "
            f"the run was trained on samples of {expected}{advice}"
        )
    for here, there in zip(table.features, facts.names, strict=False):
        if here != there:
            raise InputError(
                f"{what} has the column {here} where the run was trained on {there}: "
                "columns must have the same names in the same order"
            )


def predictions(trained: Trained, x: Samples, counts: Counter[str]) -> Iterator[dict[str, NDArray]]:
    """Yields the results of every chunk of samples: arrays by name, each of length ``B``.

    Args:
        trained: The finished run with its model.
        x: Samples ``(N, F)``.
        counts: Receives the number of ``unlikely`` samples and of ``clusters`` in use so far.
    """
    threshold, used = trained.result["metrics"]["elbo_unlikely"], set()
    assigned = assign(trained.model, x)
    terms = bounds(trained.model, x, trained.config.seed)
    for part, bound in zip(assigned, terms, strict=True):
        elbo = elbo_of(bound)
        unlikely = ~(elbo >= threshold)  # also if it overflows
        used.update(part.labels.tolist())
        counts["unlikely"] += int(unlikely.sum())
        counts["clusters"] = len(used)
        yield {**part._asdict(), "elbo": elbo, "unlikely": unlikely}


def named(
    parts: Iterator[dict[str, NDArray]], names: Sequence[str]
) -> Iterator[dict[str, NDArray]]:
    """Yields the results of every chunk with the names of its samples, if they have some."""
    all_names, start = np.array(names, dtype=str), 0
    for part in parts:
        end = start + len(part["labels"])
        yield {**part, "samples": all_names[start:end]} if names else part
        start = end


def as_table(part: Mapping[str, NDArray], as_positions: bool) -> "pyarrow.Table":
    """A row per sample: cluster, ELBO, 1 if it is unlikely or 0, responsibilities, embedding.

    Args:
        part: Results by name, each of length ``B``.
        as_positions: Whether the names of samples, if they have some, are positions. Names are in
            front.
    """
    import pyarrow

    columns = {}
    if "samples" in part:
        columns["sample"] = part["samples"].astype(np.int64 if as_positions else str)
    columns |= {"cluster": part["labels"], "elbo": part["elbo"]}
    columns["unlikely"] = part["unlikely"].astype(np.uint8)
    for name, wide in (("responsibility", "responsibilities"), ("embedding", "embedding")):
        columns |= {f"{name}_{index}": values for index, values in enumerate(part[wide].T)}
    return pyarrow.table(columns)
