"""The work of ``gammvae sample``: generates samples from clusters and writes images or tables."""

import csv
import io
from math import ceil, sqrt
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gammvae.cli.settings import SampleSettings
from gammvae.errors import InputError
from gammvae.evaluation.generation import Drawn, draw
from gammvae.report.pictures import gray_range, grid, is_image
from gammvae.runs.directory import RunDirectory
from gammvae.runs.records import Result
from gammvae.runs.trained import Trained
from gammvae.system.paths import user_path
from gammvae.system.writing import refuse_existing, write_text, write_whole


def sample(directory: RunDirectory, trained: Trained, settings: SampleSettings) -> list[str]:
    """Generates and writes samples, and returns a summary in lines.

    Args:
        directory: Directory of the run.
        trained: The finished run with its model.
        settings: Settings of the command, such as the cluster and the number of samples.

    Raises:
        InputError: The cluster does not exist, too few draws reach ``min_posterior``, or a file to
            write exists.
    """
    clusters = chosen_clusters(settings.cluster, trained.config.n_clusters, trained.result)
    target = user_path(settings.out) if settings.out else directory / "samples"
    if target.suffix.lower() in (".npz", ".png", ".csv"):
        target = target.with_suffix("")
    for path in outputs(target, trained):
        directory.check_output("out", path)
        refuse_existing("out", path, settings.overwrite or settings.out is None)
    drawn = {
        cluster: draw(
            *(trained.model, cluster, settings.n, settings.min_posterior),
            *(settings.temperature, settings.seed),
        )
        for cluster in clusters
    }
    lines = [
        f"cluster {cluster}: {settings.n} samples, {100 * one.accepted:.1f} % of the draws have a "
        f"posterior above {settings.min_posterior:g}"
        for cluster, one in drawn.items()
    ]
    return [*lines, *(str(path) for path in write(target, trained, drawn))]


def chosen_clusters(cluster: int | None, n_clusters: int, result: Result) -> list[int]:
    """The requested cluster, or all clusters."""
    if cluster is None:
        return list(range(n_clusters))
    if cluster >= n_clusters:
        raise InputError(
            f"cluster={cluster} does not exist: the run of dataset {result['dataset']} has "
            f"clusters 0 to {n_clusters - 1}"
        )
    return [cluster]


def write(target: Path, trained: Trained, drawn: dict[int, Drawn]) -> list[Path]:
    """Writes an ``.npz`` archive and an image or a table; returns their paths.

    Args:
        target: Path without file extension.
        trained: The finished run.
        drawn: Generated samples by cluster, equally many of each.
    """
    facts = trained.facts
    x = np.concatenate([one.x.cpu().numpy() for one in drawn.values()])
    x = facts.preprocessing.original(x)
    n = len(next(iter(drawn.values())).z)
    arrays = {
        "x": x.reshape(len(x), *facts.shape),
        "cluster": np.repeat(np.array(list(drawn)), n),
        "z": np.concatenate([one.z.cpu().numpy() for one in drawn.values()]),
        "posterior": np.concatenate([one.posterior.cpu().numpy() for one in drawn.values()]),
    }
    archive, other = outputs(target, trained)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(archive, lambda file: cast(Any, np.savez_compressed)(file, **arrays))
    if is_image(facts.shape):
        columns = n if len(drawn) > 1 else ceil(sqrt(n))
        picture = grid(x, facts.shape, columns, gray_range(x))
        write_whole(other, lambda file: picture.save(file, "PNG"))
    else:
        write_text(other, table(x, arrays, facts.names))
    return [archive, other]


def outputs(target: Path, trained: Trained) -> tuple[Path, Path]:
    """Paths of the output files: an archive, and an image grid or, for other data, a table."""
    ending = "png" if is_image(trained.facts.shape) else "csv"
    return target.with_name(f"{target.name}.npz"), target.with_name(f"{target.name}.{ending}")


def table(x: NDArray, arrays: dict[str, NDArray], names: tuple[str, ...]) -> str:
    """Samples as lines of a CSV file: cluster, posterior, features in their original units.

    If samples were scaled to length 1, their units are lost, and features are as the model sees
    them. Features have as many digits as identify a value of their type.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    features = names or [f"feature_{index}" for index in range(x.shape[1])]
    writer.writerow(["cluster", "posterior", *features])
    for cluster, posterior, row in zip(arrays["cluster"], arrays["posterior"], x, strict=True):
        writer.writerow([cluster, f"{posterior:.6f}", *map(str, row)])
    return text.getvalue()
