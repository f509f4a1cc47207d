"""Draws one picture of a finished run: a map of its clusters, and samples that it generates.

    python scripts/picture.py outputs/mnist/gammvae/seed=0 docs/images/mnist.png

The map shows up to 3,000 samples where t-SNE places their embeddings, colored by cluster. If the
samples are images, a row of generated samples of every cluster stands beside the map, in the
cluster's color. It takes less than a minute, and needs the dataset's files. The background is
white, so that the picture looks the same on light and on dark pages.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from gammvae.cli.reuse import usable_config
from gammvae.data.samples import subset
from gammvae.errors import InputError
from gammvae.evaluation.generation import MIN_POSTERIOR, draw
from gammvae.report.html import flat, palette
from gammvae.report.pictures import gray_range, grid, is_image
from gammvae.report.subject import Subject
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment

# Dots of the map, generated samples of a cluster, dots per inch of the file.
DOTS, SHOWN, DPI = 3000, 12, 150


def main() -> None:
    """Reads the run and writes the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("out", type=Path, help="file that ends in .png")
    parser.add_argument("--config-dir", metavar="FOLDER", help="with the YAML of your own dataset")
    given = parser.parse_args()
    figure = pictured(loaded(given.run, given.config_dir))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write(figure, given.out)
    print(given.out)


def write(figure: Figure, path: Path) -> None:
    """Writes a figure as a PNG of 256 colors, which is a third as large as one of all colors."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, facecolor="white")
    with Image.open(data) as image:
        image.convert("RGB").quantize(256).save(path, "PNG", optimize=True)


def loaded(path: Path, config_dir: str | None) -> Subject:
    """A finished run with its model and its data."""
    directory = RunDirectory(path)
    config = usable_config(directory, {}, config_dir)
    experiment = Experiment(config, directory)
    experiment.method.restore()
    return experiment.subject(directory.read_result())


def pictured(subject: Subject) -> Figure:
    """The map, and beside it the generated samples if they can be looked at."""
    images = subject.generates and is_image(subject.facts.shape)
    colors = palette(subject.config.n_clusters)
    figure = Figure(figsize=(10, 4.3) if images else (6.2, 4.3), layout="constrained")
    widths = [1, 1.15] if images else [1]
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    draw_map(axes[0], subject, colors)
    if images:
        draw_samples(axes[1], subject, colors)
    return figure


def draw_map(axis: Axes, subject: Subject, colors: list[str]) -> None:
    """The embeddings of some samples in two dimensions, colored by cluster."""
    chosen = subset(len(subject.x), DOTS, subject.config.seed)
    places = flat(subject.arrays["embedding"][chosen].astype(np.float64), subject.config.seed)
    labels = subject.arrays["labels"][chosen]
    inks = [colors[label] for label in labels]
    axis.scatter(places[:, 0], places[:, 1], c=inks, s=5, linewidths=0)
    axis.set_title(f"{subject.config.dataset.name}: {len(chosen):,} embeddings by cluster")
    axis.set_axis_off()


def draw_samples(axis: Axes, subject: Subject, colors: list[str]) -> None:
    """A row of generated samples of every cluster, with a bar in its color before it."""
    x = torch.stack([generated(subject, k) for k in range(len(colors))]).cpu().numpy()
    rows = x.reshape(len(colors) * SHOWN, -1)
    picture = np.asarray(grid(rows, subject.facts.shape, SHOWN, gray_range(rows)))
    axis.imshow(picture)
    height = picture.shape[0] / len(colors)
    for k, color in enumerate(colors):
        axis.barh((k + 0.5) * height, 0.4 * height, 0.8 * height, -0.6 * height, color=color)
    axis.set_xlim(-0.7 * height, picture.shape[1])
    axis.set_title("generated samples of each cluster")
    axis.set_anchor("N")
    axis.set_axis_off()


def generated(subject: Subject, cluster: int) -> torch.Tensor:
    """Samples of a cluster ``(SHOWN, F)``; zeros if its component is covered by others."""
    try:
        seed = subject.config.seed
        return draw(subject.model, cluster, SHOWN, MIN_POSTERIOR, 1.0, seed).x
    except InputError:
        return torch.zeros(SHOWN, subject.x.shape[1], device=subject.x.device)


if __name__ == "__main__":
    main()
