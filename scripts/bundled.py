"""Small tables of features that come with scikit-learn, for the benchmark of accuracy.

    python scripts/benchmark_accuracy.py --datasets $(python scripts/bundled.py OUTPUT)

Writes them and prints the options that add them, standardized, to the benchmark.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn import datasets

NAMES = ("breast_cancer", "iris", "wine")


def main() -> None:
    """Writes all and prints the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the arrays are written")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        bunch = getattr(datasets, f"load_{name}")()
        path, labels = (folder / f"{name}{ending}" for ending in (".npy", ".txt"))
        np.save(path, bunch.data.astype(np.float32))
        labels.write_text("".join(f"c{label}\n" for label in bunch.target))
        classes = len(set(bunch.target.tolist()))
        print(
            *("--also", name, "dataset=file", f"dataset.path={path}", f"dataset.labels={labels}"),
            *(f"n_clusters={classes}", "preprocess=standardize"),
        )


if __name__ == "__main__":
    main()
