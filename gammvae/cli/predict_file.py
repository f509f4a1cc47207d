"""The work of ``gammvae predict``: assigns the samples of a file to clusters, in chunks.

Notation: ``N`` samples, ``B`` samples of a chunk, ``F`` features, ``K`` clusters, ``D`` latent
features.
"""

import csv
import io
import logging
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gammvae.cli.settings import PredictSettings
from gammvae.config.schema import DatasetConfig
from gammvae.data.files import read as read_file
from gammvae.data.formats.arrays import Table
from gammvae.data.formats.request import Keys, Request
from gammvae.data.new_samples import prepared
from gammvae.data.rows import Rows
from gammvae.data.samples import Samples, samples_on
from gammvae.data.training_data import Facts
from gammvae.errors import InputError
from gammvae.evaluation.assignments import assign, bounds, elbo_of
from gammvae.runs.directory import RunDirectory
from gammvae.runs.npz import NpzWriter
from gammvae.runs.trained import Trained
from gammvae.system.paths import user_path
from gammvae.system.writing import refuse_replacing, write_whole

log = logging.getLogger(__name__)

KINDS = (".npz", ".csv")
KEYS = Keys(path="data", array="array", labels="", drop="drop", header="header", index="")


def predict(directory: RunDirectory, trained: Trained, settings: PredictSettings) -> list[str]:
    """Writes the cluster assignments of a file's samples, and returns a summary in lines.

    Args:
        directory: Directory of the run.
        trained: The finished run with its model.
        settings: Settings of the command, with the files to read and to write.

    Raises:
        InputError: A file cannot be read or has an unknown format, or its samples do not match
            those that the run was trained on.
    """
    target = user_path(settings.out)
    kind = target.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"out={settings.out} is of unknown kind: it must end in .npz or .csv")
    refuse_replacing("out", target, [user_path(settings.data)])
    directory.check_output("out", target)
    x = samples_on(trained.device, read(trained, settings))
    counts: Counter[str] = Counter()
    parts = predictions(trained, x, counts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".csv":
        write_whole(target, lambda file: write_csv(file, parts))
    else:
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


def read(trained: Trained, settings: PredictSettings) -> Rows:
    """The samples of a file ``(N, F)``, preprocessed as the model expects.

    Raises:
        InputError: They do not match the samples that the run was trained on.
    """
    given, facts, what = trained.config.dataset, trained.facts, f"data={settings.data}"
    request = request_like(given, facts, settings)
    _, table = read_file(settings.data, request)
    check_features(table, facts, request, what)
    rows, remarks = prepared(table.x, table.shape, given, facts, what)
    for note in (*table.notes, *remarks):
        log.warning("%s: %s", what, note)
    return rows


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
        array=settings.array or (given.array if kind == ".npz" else None),
        drop=settings.drop,
        spare=[] if settings.drop else others,
        known=[*facts.names, *others],
        header=header if settings.header is None else settings.header,
        index=given.index,
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


def write_csv(file: IO[bytes], parts: Iterator[dict[str, NDArray]]) -> None:
    """One line per sample: label, ELBO, whether it is unlikely, responsibilities, embedding."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    for number, part in enumerate(parts):
        wide = {
            "responsibility": part["responsibilities"],
            "embedding": part["embedding"],
        }
        if number == 0:
            columns = [f"{name}_{i}" for name, of in wide.items() for i in range(of.shape[1])]
            writer.writerow(["label", "elbo", "unlikely", *columns])
        values = np.hstack([*wide.values()])
        for label, elbo, unlikely, row in zip(
            part["labels"], part["elbo"], part["unlikely"], values, strict=True
        ):
            writer.writerow([label, f"{elbo:.6g}", int(unlikely), *(f"{one:.6g}" for one in row)])
    text.flush()
    text.detach()
