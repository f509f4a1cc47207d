"""``gammvae predict``: clusters of new samples, a chunk at a time.

Letters: ``N`` samples, ``B`` of a chunk, ``K`` clusters, ``D`` latent features.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gammvae.columns import column_names
from gammvae.datasets import Dataset, Facts
from gammvae.errors import InputError
from gammvae.evaluation import assign, bounds, elbo_of
from gammvae.files import load
from gammvae.npz import NpzWriter
from gammvae.runs import RunDirectory
from gammvae.samples import Rows, Samples, TransformedRows, samples_on
from gammvae.settings import PredictSettings
from gammvae.trained import Trained

KINDS = (".npz", ".csv")


def predict(trained: Trained, settings: PredictSettings) -> list[str]:
    """Clusters the samples of a file and writes them; returns lines that say what was done.

    Args:
        trained: The run.
        settings: The files.

    Raises:
        InputError: A file cannot be read or is of unknown kind, or its samples are not like those
            that the run was trained on.
    """
    target = Path(settings.out).expanduser()
    if target.suffix not in KINDS:
        raise InputError(f"out={settings.out} is of unknown kind: it must end in .npz or .csv")
    x = samples_on(trained.device, read(trained, settings))
    counts: Counter[str] = Counter()
    parts = predictions(trained, x, counts)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = RunDirectory(target.parent)
    if target.suffix == ".csv":
        folder.write(target.name, lambda file: write_csv(file, parts))
    else:
        with NpzWriter(target.with_name(f".{target.name}.parts"), len(x)) as arrays:
            for part in parts:
                arrays.append(part)
            folder.write(target.name, arrays.pack)
    return [
        f"{len(x)} samples in {counts['clusters']} of {trained.config.n_clusters} clusters",
        f"{counts['unlikely']} of them are unlikely: their ELBO is below that of 99 % of the "
        f"samples the run was trained on ({trained.result['metrics']['elbo_unlikely']:.2f})",
        str(target),
    ]


def read(trained: Trained, settings: PredictSettings) -> Rows:
    """The samples of a file ``(N, F)`` as the model sees them.

    Raises:
        InputError: They are not like those that the run was trained on.
    """
    given = trained.config.dataset
    names = column_names(Path(settings.data).expanduser())
    others = settings.drop or [one for one in (*given.drop, given.labels) if one in names]
    array = settings.array or (given.array if settings.data.endswith(".npz") else None)
    data = load(settings.data, array, None, [str(name) for name in others], None)
    check(data, trained.facts, settings.data)
    preprocessing = trained.facts.preprocessing
    return data.x if preprocessing.name == "none" else TransformedRows(data.x, preprocessing)


def check(data: Dataset, facts: Facts, path: str) -> None:
    """Refuses samples that are not like those that a run was trained on."""
    features = int(np.prod(facts.shape))
    if data.x.shape[1] != features:
        raise InputError(
            f"data={path} has samples of {data.x.shape[1]} values: "
            f"the run was trained on samples of {features}"
        )
    if data.names and facts.names and data.names != facts.names:
        here, there = next(
            pair for pair in zip(data.names, facts.names, strict=True) if len(set(pair)) > 1
        )
        raise InputError(
            f"data={path} has the column {here} where the run was trained on {there}: "
            "columns must have the same names in the same order"
        )
    if data.scan.bad is not None:
        row, column, value = data.scan.bad
        raise InputError(
            f"data={path} has the value {value} in sample {row}, feature {column}: "
            "all values must be finite in float32"
        )
    low, high = data.scan.low.min(), data.scan.high.max()
    within = low >= 0 and high <= 1
    if facts.likelihood == "bernoulli" and facts.preprocessing.name == "none" and not within:
        raise InputError(
            f"data={path} has values from {low:g} to {high:g}: "
            "the run was trained on values in [0, 1]"
        )


def predictions(trained: Trained, x: Samples, counts: Counter[str]) -> Iterator[dict[str, NDArray]]:
    """Arrays by name for every chunk of samples.

    Args:
        trained: The run.
        x: Samples ``(N, F)``.
        counts: Is told how many samples are ``unlikely`` and how many ``clusters`` are in use.
    """
    threshold, used = trained.result["metrics"]["elbo_unlikely"], set()
    assigned = assign(trained.model, x)
    terms = bounds(trained.model, x, trained.config.seed)
    for part, bound in zip(assigned, terms, strict=True):
        elbo = elbo_of(bound)
        unlikely = elbo < threshold
        used.update(part.labels.tolist())
        counts["unlikely"] += int(unlikely.sum())
        counts["clusters"] = len(used)
        yield {**part._asdict(), "elbo": elbo, "unlikely": unlikely}


def write_csv(file: IO[bytes], parts: Iterator[dict[str, NDArray]]) -> None:
    """A line a sample: label, ELBO, whether that is unlikely, responsibilities, embedding."""
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
