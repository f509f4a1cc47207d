"""Charts as SVG text that takes its ink from the page, so that it reads on light and on dark.

Letters: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

import io
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Stands for the page's ink, and is replaced by it.
INK = "#010203"
STYLE: Any = {
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "gammvae",  # the same file for the same run
}
# One path, which is drawn far faster than bars.
HISTOGRAM: Any = {"histtype": "stepfilled", "color": "#9aa4b2", "alpha": 0.6}
LOSSES = ("reconstruction", "elbo", "kl_z", "kl_c")
HEALTH = ("used_clusters", "assignment_entropy", "weights_entropy")


def svg(figure: Figure, title: str) -> str:
    """A figure as an element of a page, with a title for those who cannot see it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Title": title}, transparent=True)
    return text.getvalue()[text.getvalue().index("<svg") :].replace(INK, "currentColor")


def curves(records: Sequence[Mapping[str, Any]]) -> str:
    """Terms of the ELBO and figures of health over the epochs of both stages.

    Args:
        records: Lines of ``metrics.jsonl``.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots(2, 2)
        for column, stage in enumerate(("pretrain", "train")):
            rows = [record for record in records if record["stage"] == stage]
            for line, names in enumerate((LOSSES, HEALTH)):
                axis = axes[line, column]
                for name in names:
                    known = [(r["epoch"], r[name]) for r in rows if r.get(name) is not None]
                    if known:
                        axis.plot(*zip(*known, strict=True), label=name.replace("_", " "))
                if axis.lines:
                    axis.legend(fontsize=8)
                else:
                    axis.text(0.5, 0.5, "no mixture yet", ha="center", transform=axis.transAxes)
                    axis.set_yticks([])
                axis.set_xlabel("epoch")
            axes[0, column].set_title(stage)
        axes[0, 0].set_ylabel("nats per sample")
        return svg(figure, "Terms of the ELBO and health over the epochs")


def densities(z: NDArray, grid: NDArray, parts: NDArray, family: str, colors: Sequence[str]) -> str:
    """The mixture's density per latent feature over a histogram of what the encoder gives.

    Args:
        z: Draws from ``q(z|x)`` of many samples, ``(N, D)``.
        grid: Points of every feature, ``(G, D)``.
        parts: Density of every component there times its weight, ``(G, K, D)``.
        family: ``gamma`` or ``normal``.
        colors: Of the components.
    """
    features = z.shape[1]
    with mpl.rc_context(STYLE):
        columns = min(5, features)
        lines = ceil(features / columns)
        figure = Figure(figsize=(10, 1.9 * lines + 0.3), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for d, axis in enumerate(axes):
            axis.set_yticks([])
            if d >= features:
                axis.set_visible(False)
                continue
            span = (grid[0, d], grid[-1, d])
            axis.hist(z[:, d], bins=60, range=span, density=True, **HISTOGRAM)
            for k, color in enumerate(colors):
                axis.plot(grid[:, d], parts[:, k, d], color=color, linewidth=0.8)
            whole = parts[:, :, d].sum(1)
            axis.plot(grid[:, d], whole, color=INK, linewidth=1.3)
            axis.set_ylim(0, 1.6 * float(np.quantile(whole, 0.98)))
            axis.set_title(f"z{d + 1}", fontsize=9)
        return svg(figure, f"{family} densities and histograms of the latent features")


def profiles(means: NDArray, names: Sequence[str]) -> str:
    """Standardized feature means of every cluster as a heat map.

    Args:
        means: ``(K, F)``, in standard deviations from the mean of all samples.
        names: Of the features.
    """
    clusters, features = means.shape
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(max(4, 0.24 * features + 1.5), 0.3 * clusters + 1.9), layout="constrained"
        )
        axis = figure.subplots()
        image = axis.imshow(means, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
        axis.set_xticks(range(features), [safe(name) for name in names], rotation=90, fontsize=7)
        axis.set_yticks(range(clusters), [f"cluster {k}" for k in range(clusters)], fontsize=8)
        figure.colorbar(image, ax=axis, shrink=0.8, label="deviations")
        return svg(figure, "Standardized feature means of every cluster")


def safe(name: str) -> str:
    """A name that matplotlib does not read as a formula, and that is not too long."""
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")
