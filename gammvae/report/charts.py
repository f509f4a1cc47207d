"""Charts as SVG text in the page's text color, so that they suit light and dark pages.

Notation: ``N`` samples, ``K`` clusters, ``F`` features of the data, ``G`` points of a grid.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gammvae.initialization.number import STABLE
from gammvae.runs.records import Choice

# A placeholder, replaced by the page's text color.
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
# One path, which browsers draw far faster than separate bars.
HISTOGRAM: Any = {"histtype": "stepfilled", "color": "#9aa4b2", "alpha": 0.6}
LOSSES = ("reconstruction", "elbo", "kl_z", "kl_c")
SCORES = ("acc", "nmi", "ari")
HEALTH = ("used_clusters", "assignment_entropy", "weights_entropy")


def svg(figure: Figure, title: str) -> str:
    """A figure as an SVG element for a page, with a title for screen readers."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Title": title}, transparent=True)
    return text.getvalue()[text.getvalue().index("<svg") :].replace(INK, "currentColor")


def curves(records: Sequence[Mapping[str, Any]], stage: str, unit: str) -> str:
    """Plots the objective's terms over a stage's epochs; also scores and the mixture's, if known.

    Args:
        records: Lines of ``metrics.jsonl``.
        stage: ``pretrain`` or ``train``.
        unit: Unit of the terms.
    """
    of_stage = [record for record in records if record["stage"] == stage]
    # the errors of single layers are of other values
    rows = [record for record in of_stage if "layer" not in record] or of_stage
    known = {
        name: [(row["epoch"], row[name]) for row in rows if row.get(name) is not None]
        for name in (*LOSSES, *SCORES, *HEALTH)
    }
    groups = [names for names in (LOSSES, SCORES, HEALTH) if any(known[name] for name in names)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 2.5 * len(groups)), layout="constrained")
        axes = figure.subplots(len(groups), squeeze=False).ravel()
        for axis, names in zip(axes, groups, strict=True):
            for name in names:
                if known[name]:
                    axis.plot(*zip(*known[name], strict=True), label=name.replace("_", " "))
            # above the plot, where it hides no line
            axis.legend(fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
            axis.set_xlabel("epoch")
        figure.suptitle(stage)
        axes[0].set_ylabel(unit)
        return svg(figure, f"Terms of the objective and health over the epochs of {stage}")


def density(z: NDArray, grid: NDArray, parts: NDArray, name: str, colors: Sequence[str]) -> str:
    """Plots the mixture's density of a latent feature over a histogram of draws from ``q(z|x)``.

    Args:
        z: Draws from ``q(z|x)`` of many samples, ``(N,)``.
        grid: Points at which the density is given, ``(G,)``.
        parts: Density of every component at these points, times its weight, ``(G, K)``.
        name: Name of the feature.
        colors: Colors of the components.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.3, 1.8), layout="constrained")
        axis = figure.subplots()
        axis.set_yticks([])
        axis.hist(z, bins=60, range=(grid[0], grid[-1]), density=True, **HISTOGRAM)
        for k, color in enumerate(colors):
            axis.plot(grid, parts[:, k], color=color, linewidth=0.8)
        whole = parts.sum(1)
        axis.plot(grid, whole, color=INK, linewidth=1.3)
        axis.set_ylim(0, 1.6 * float(np.quantile(whole, 0.98)))
        axis.set_title(name, fontsize=9)
        return svg(figure, f"Density and histogram of the latent feature {name}")


def profiles(means: NDArray, names: Sequence[str]) -> str:
    """Plots the standardized feature means of every cluster as a heat map.

    Args:
        means: Means ``(K, F)``, in standard deviations from the mean of all samples.
        names: Names of the features.
    """
    clusters, features = means.shape
    with mpl.rc_context(STYLE):
        size = (max(3.4, 0.3 * clusters + 2.6), 0.17 * features + 1.3)
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        image = axis.imshow(means.T, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
        axis.set_yticks(range(features), [safe(name) for name in names], fontsize=7)
        axis.set_xticks(range(clusters), [str(k) for k in range(clusters)], fontsize=8)
        axis.set_xlabel("cluster")
        figure.colorbar(image, ax=axis, location="top", label="deviations", aspect=30)
        return svg(figure, "Standardized feature means of every cluster")


def numbers(choice: Choice) -> str:
    """Plots the figures of every number of clusters that was tried, and marks the choice.

    Args:
        choice: How the data have chosen the number.
    """
    tried: list[Any] = list(choice["candidates"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 2.9), layout="constrained")
        axis = figure.subplots()
        for name in ("weakest", "recovery", "agreement", "modularity", "silhouette"):
            known = [(one["n_clusters"], one[name]) for one in tried if one[name] is not None]
            if known:
                thick = 2.0 if name == "weakest" else 1.0
                axis.plot(*zip(*known, strict=True), label=name, linewidth=thick, marker=".")
        axis.axhline(STABLE, color=INK, linewidth=0.6, alpha=0.5)
        axis.axvline(choice["n_clusters"], color=INK, linewidth=0.8, linestyle="--")
        for one in choice["runners_up"]:
            axis.axvline(one, color=INK, linewidth=0.8, linestyle=":")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("number of clusters")
        axis.legend(fontsize=8, ncols=5, loc="lower left", bbox_to_anchor=(0, 1))
        return svg(figure, "Figures of every number of clusters that was tried")


def safe(name: str) -> str:
    """A name, shortened and escaped so that matplotlib does not read it as a formula."""
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")
