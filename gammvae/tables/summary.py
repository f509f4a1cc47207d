"""Results as text for the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from gammvae.runs.records import Result


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with padded columns and a rule below the header."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([padded[0], "  ".join("-" * width for width in widths), *padded[1:]])


def summary(result: Result) -> str:
    """A table of one run's figures; ACC, NMI and ARI only if the dataset has classes."""
    metrics: Mapping[str, Any] = result["metrics"]
    cells = {"dataset": result["dataset"], "model": result["model"], "seed": str(result["seed"])}
    cells |= {
        name.upper(): f"{metrics[name]:.4f}" for name in ("acc", "nmi", "ari") if name in metrics
    }
    if "elbo" in metrics:
        cells["ELBO"] = f"{metrics['elbo']:.2f}"
    if metrics["silhouette"] is not None:
        cells["silhouette"] = f"{metrics['silhouette']:.4f}"
    cells["clusters"] = f"{metrics['used_clusters']} of {result['n_clusters']}"
    cells["seconds"] = f"{sum(result['seconds'].values()):.0f}"
    return table(cells, [cells.values()])


def comparison(stored: Result, recomputed: Mapping[str, Any]) -> str:
    """A table of stored and recomputed figures, and a line that says whether they agree."""
    before: Mapping[str, Any] = stored["metrics"]
    after = recomputed["metrics"]
    rows = [
        [name, str(before.get(name)), str(value), "" if before.get(name) == value else "differs"]
        for name, value in after.items()
        if name in before
    ]
    text = table(["figure", "stored", "recomputed", ""], rows)
    differing = [row for row in rows if row[-1]]
    if not differing:
        return f"{text}\nall figures agree"
    made, here = (
        f"{one['device']} with {one['threads']} threads and torch {one['versions']['torch']}"
        for one in (stored, recomputed)
    )
    reason = (
        f"the run was computed on {made}, this is {here}"
        if made != here
        else f"both were computed on {here}, so gammvae or another library has changed since"
    )
    return f"{text}\n{len(differing)} of {len(rows)} figures differ; {reason}"


def judgement(found: Mapping[str, Any]) -> str:
    """A table of the quality of generated samples, next to the same figures of real samples.

    A figure is followed by its standard error if that is known.
    """
    figures = [
        ("class of its cluster, by the judge", "agreement", "judge_accuracy"),
        ("precision", "precision", "real_precision"),
        ("recall", "recall", "real_recall"),
        ("distance to the nearest sample", "distance", "real_distance"),
        ("closer than 99 % of real samples", "copies", None),
        ("log p(x) at least, nats", None, "log_likelihood"),
    ]

    def cell(name: str | None) -> str:
        if name is None or name not in found:
            return ""
        error = found.get(f"{name}_error")
        return f"{found[name]:.4f}" + ("" if error is None else f" ± {error:.4f}")

    rows = [
        [text, cell(generated), cell(real)]
        for text, generated, real in figures
        if generated in found or real in found
    ]
    return table([f"{found['samples']} samples", "generated", "real"], rows)
