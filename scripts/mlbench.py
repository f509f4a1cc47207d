"""Feature vectors that nothing here was made for: classification data of the R package mlbench.

    python scripts/benchmark_accuracy.py --datasets $(python scripts/mlbench.py FOLDER OUTPUT)

Converts the package's ``.rda`` files and prints the options that add them to the benchmark. The
package is on CRAN and, as ``r-cran-mlbench``, in Debian; to read it, ``pip install pyreadr``.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyreadr


class Source(NamedTuple):
    """An ``.rda`` file, the column of its classes, and how ``gammvae`` is to prepare it."""

    file: str
    label: str
    preprocess: str = "standardize"


SOURCES = {
    "satellite": Source("Satellite", "classes"),
    "letters": Source("LetterRecognition", "lettr"),
    "shuttle": Source("Shuttle", "Class"),
    "dna": Source("DNA", "Class", "none"),
    "vowel": Source("Vowel", "Class"),
    "vehicle": Source("Vehicle", "Class"),
    "ionosphere": Source("Ionosphere", "Class"),
    "glass": Source("Glass", "Type"),
}


def convert(root: Path, folder: Path, name: str) -> list[str]:
    """Writes the samples and their classes; returns what ``gammvae train`` is told.

    Args:
        root: Folder of the ``.rda`` files.
        folder: Where ``NAME.npy`` and ``NAME.txt`` are written.
        name: One of ``SOURCES``.
    """
    source = SOURCES[name]
    (frame,) = pyreadr.read_r(root / f"{source.file}.rda").values()
    frame = frame.dropna()
    x = frame.drop(columns=source.label).astype(float).to_numpy(np.float32)
    classes = frame[source.label].astype(str).to_numpy()
    path, labels = (folder / f"{name}{ending}" for ending in (".npy", ".txt"))
    np.save(path, x)
    labels.write_text("".join(f"{label}\n" for label in classes))
    return [
        *("--also", name, "dataset=file", f"dataset.path={path.resolve()}"),
        *(f"dataset.labels={labels.resolve()}", f"n_clusters={len(set(classes))}"),
        f"preprocess={source.preprocess}",
    ]


def main() -> None:
    """Converts all and prints the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder of the .rda files")
    parser.add_argument("folder", type=Path, help="where the arrays are written")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        print(*convert(arguments.root, arguments.folder, name))


if __name__ == "__main__":
    main()
