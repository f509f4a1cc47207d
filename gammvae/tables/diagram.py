"""Critical-difference diagrams: average ranks on an axis, and bars over rows that are alike.

References:
    Statistical comparisons of classifiers over multiple data sets (Demšar, Journal of Machine
    Learning Research 7, 2006), figure 1
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gammvae.system.writing import write_whole
from gammvae.tables.ranking import Ranking

DIAGRAMS = (".svg", ".png", ".pdf")
STYLE: Any = {
    "font.size": 9,
    "text.parse_math": False,  # names are no formulas
    "svg.fonttype": "none",
    "svg.hashsalt": "gammvae",  # the same file for the same ranks
}
UNDATED: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
# Inches of the picture's width and of a line of text; heights below are in such lines.
WIDTH, LINE, DPI = 7.0, 0.22, 200
ABOVE = 3.2  # lines above the axis: title, critical difference, numbers
BAR = 0.35  # lines from one bar to the next
# Share of the axis' length that the names have on either side of it.
MARGIN = 0.45


def draw(path: Path, rankings: Sequence[Ranking]) -> None:
    """Draws a diagram for every ranking, one below the other.

    Args:
        path: File to write, in the format given by its ending, one of ``DIAGRAMS``.
        rankings: At least one ranking.
    """
    heights = [height(one) for one in rankings]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, LINE * sum(heights)))
        grid = figure.add_gridspec(
            len(rankings), height_ratios=heights, left=0, right=1, bottom=0, top=1, hspace=0
        )
        for i, (lines, one) in enumerate(zip(heights, rankings, strict=True)):
            axes = figure.add_subplot(grid[i, 0])
            axes.set_ylim(lines - ABOVE, -ABOVE)
            panel(axes, one)
        options = {
            **{"format": path.suffix[1:], "metadata": UNDATED[path.suffix]},
            **{"dpi": DPI, "facecolor": "white", "bbox_inches": "tight"},  # names may be long
        }
        write_whole(path, lambda file: figure.savefig(file, **options))


def height(one: Ranking) -> float:
    """Lines of one diagram."""
    return ABOVE + names_from(one) + (len(one.rows) + 1) // 2 + 0.5


def names_from(one: Ranking) -> float:
    """Lines from the axis to the first name, below all bars."""
    return 0.8 + BAR * len(one.groups)


def panel(axes: Axes, one: Ranking) -> None:
    """Draws one diagram; the vertical axis counts lines from the horizontal one downward."""
    last = len(one.rows)
    margin = MARGIN * (last - 1)
    axes.set_xlim(1 - margin, last + margin)
    axes.axis("off")
    axes.text((1 + last) / 2, 0.6 - ABOVE, f"average rank by {one.metric.upper()}", ha="center")
    line(axes, (1, last), (0, 0))
    for rank in range(1, last + 1):
        line(axes, (rank, rank), (-0.25, 0))
        axes.text(rank, -0.35, str(rank), ha="center", va="bottom")
    difference(axes, one.difference, last)
    for bar, (first, end) in enumerate(one.groups):
        ends = one.average[first] - 0.01 * last, one.average[end] + 0.01 * last
        level = 0.4 + BAR * bar
        line(axes, ends, (level, level), linewidth=3.0)
    names(axes, one, margin)


def difference(axes: Axes, width: float, last: int) -> None:
    """Draws the critical difference above the axis, where it ends at the last rank."""
    level = 1.6 - ABOVE
    line(axes, (last - width, last), (level, level))
    for end in (last - width, last):
        line(axes, (end, end), (level - 0.2, level + 0.2))
    axes.text(last, level, f"  CD {width:.2f}", va="center")


def names(axes: Axes, one: Ranking, margin: float) -> None:
    """Writes the better half of the rows on the left and the other on the right of the axis."""
    last = len(one.rows)
    for i, (row, rank) in enumerate(zip(one.rows, one.average, strict=True)):
        left = i < (last + 1) // 2
        level = names_from(one) + (i if left else last - 1 - i)
        edge = 1 - 0.05 * margin if left else last + 0.05 * margin
        line(axes, (rank, rank, edge), (0, level, level))
        text = f"{row} {rank:.2f} " if left else f" {row} {rank:.2f}"
        axes.text(edge, level, text, ha="right" if left else "left", va="center")


def line(axes: Axes, x: Sequence[float], y: Sequence[float], linewidth: float = 0.8) -> None:
    """Draws a black line through points."""
    axes.plot(x, y, color="black", linewidth=linewidth, solid_capstyle="butt")
