"""Writes the report of one or more runs as a self-contained HTML file.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from gammvae import __version__
from gammvae.data.samples import subset
from gammvae.report.charts import curves, numbers
from gammvae.report.panels import (
    cluster,
    embedded,
    interpolation,
    latent,
    profiled,
    reconstructions,
)
from gammvae.report.pictures import gray_range, grid, is_image
from gammvae.report.subject import Subject
from gammvae.runs.records import Record, Result
from gammvae.system.writing import write_text
from gammvae.tables.choices import conclusion
from gammvae.tables.summary import judgement

# Dots on the map, its size in pixels, and steps of t-SNE: twice as many steps change little.
DOTS, MAP, STEPS = 1000, (720, 520), 500
# Units of the curves.
NATS, SQUARES = "nats per sample", "negative mean squared error"
OBJECTIVE = "terms of the objective"  # of methods that have no bound


def write_report(subjects: Sequence[Subject], path: Path) -> None:
    """Writes the report of one run or of several side by side, completely or not at all."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    runs = [described(subject) for subject in subjects]
    names = [run["name"] for run in runs]
    text = environment.get_template("report.html").render(
        title=names[0] if len(names) == 1 else f"{len(names)} runs",
        runs=runs,
        version=__version__,
        loop_index=lambda run: runs.index(run),
    )
    write_text(path, text)


def described(subject: Subject) -> dict[str, Any]:
    """Everything that the template shows of one run."""
    config, result = subject.config, subject.result
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    colors = palette(config.n_clusters)
    run: dict[str, Any] = {
        "name": f"{result['dataset']}, {result['model']}, seed {result['seed']}",
        "headline": headline(result),
        "seconds": ", ".join(f"{name} {value:.1f}" for name, value in result["seconds"].items()),
        "notes": result["dataset_notes"],
        "curves": [
            Markup(curves(subject.records, stage, unit))
            for stage, unit in units(config.pretrain.loss, subject.records).items()
        ],
        "map": dots(subject, colors),
        "legends": legends(subject, colors),
        "has_classes": subject.classes is not None,
        "confusion": confusion(subject),
        "clusters": [cluster(subject, k, color) for k, color in enumerate(colors)],
        "profiles": None,
        "generation": judgement(subject.generation) if subject.generation else None,
        "numbers": Markup(numbers(subject.choice)) if subject.choice else None,
        "chosen": list(conclusion(subject.choice)) if subject.choice else [],
        "command": result.get("command") or f"gammvae train ...  # see {subject.path}/config.yaml",
        "made": f"{versions}; on {result['device']} in {result['precision']} with "
        f"{result['threads']} threads; digest of the data {result['dataset_digest'][:16]}",
        "config": yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True),
    }
    if not is_image(subject.facts.shape):
        run |= profiled(subject)
    if subject.generates:
        run |= {
            "reconstructions": reconstructions(subject),
            "interpolation": interpolation(subject),
            "densities": [Markup(one) for one in latent(subject, colors)],
        }
    return run


def units(loss: str, records: Sequence[Record]) -> dict[str, str]:
    """Units of the objective's terms in the stages that the records have.

    Args:
        loss: The setting ``pretrain.loss``.
        records: Lines of ``metrics.jsonl``.
    """
    bounded = any(record.get("elbo") is not None for record in records)
    known = {
        "pretrain": NATS if loss == "likelihood" else SQUARES,
        "train": NATS if bounded else OBJECTIVE,
    }
    stages = {record["stage"] for record in records}
    return {stage: unit for stage, unit in known.items() if stage in stages}


def headline(result: Result) -> list[tuple[str, str, str]]:
    """Name, value and unit or meaning of the main figures of a run."""
    metrics: Mapping[str, Any] = result["metrics"]
    n_clusters = result["n_clusters"]
    known = [
        (name.upper(), f"{metrics[name]:.4f}", note)
        for name, note in (("acc", "all samples"), ("nmi", "all samples"), ("ari", "all samples"))
        if name in metrics
    ]
    if "elbo" in metrics:
        known.append(("ELBO", f"{metrics['elbo']:.2f}", NATS))
    if metrics.get("silhouette") is not None:
        known.append(("silhouette", f"{metrics['silhouette']:.3f}", "of the embedding"))
    return [
        *known,
        ("clusters in use", f"{metrics['used_clusters']} of {n_clusters}", "at least 1 % of fair"),
        ("entropy of q(c|x)", f"{metrics['assignment_entropy']:.3f}", "nats, 0 is certain"),
        ("samples", f"{result['samples']:,}", f"of {result['features']:,} features"),
        ("time", f"{sum(result['seconds'].values()):.0f} s", f"on {result['device']}"),
    ]


def palette(n: int) -> list[str]:
    """``n`` distinguishable colors for light and dark backgrounds."""
    parts = [
        colorsys.hls_to_rgb(k * 0.381966 % 1, (0.52, 0.42, 0.62)[k % 3], 0.65) for k in range(n)
    ]
    return ["#" + "".join(f"{round(255 * value):02x}" for value in part) for part in parts]


def legends(subject: Subject, colors: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Names and colors of the clusters, and of the classes where they are known."""
    names = [] if subject.classes is None else np.unique(subject.classes).tolist()
    return {
        "cluster": [(f"cluster {k}", color) for k, color in enumerate(colors)],
        "class": list(zip(map(str, names), palette(len(names)), strict=True)),
    }


def dots(subject: Subject, colors: Sequence[str]) -> dict[str, Any]:
    """The map: positions, colors and texts of some samples, and a single image of them all."""
    chosen = subset(len(subject.x), DOTS, subject.config.seed)
    place = flat(subject.arrays["embedding"][chosen].astype(np.float64), subject.config.seed)
    labels, responsibilities = subject.arrays["labels"], subject.arrays["responsibilities"]
    names: NDArray = np.array([])
    if subject.classes is not None:
        names = np.unique(subject.classes)
    class_colors = palette(len(names))
    found = []
    for (x, y), i in zip(place.tolist(), chosen.tolist(), strict=True):
        text = f"sample {i}: cluster {labels[i]} ({responsibilities[i].max():.3f})"
        color = colors[labels[i]]
        if subject.classes is not None:
            text += f", class {subject.classes[i]}"
            color = class_colors[int(np.searchsorted(names, subject.classes[i]))]
        dot = {"cluster": colors[labels[i]], "class": color, "text": text}
        found.append({"x": f"{x:.1f}", "y": f"{y:.1f}", **dot})
    columns, sprite, side = ceil(sqrt(len(chosen))), None, 1
    if is_image(subject.facts.shape) and subject.facts.shape[1] == subject.facts.shape[2]:
        x = subject.rows(chosen)
        picture = grid(x, subject.facts.shape, columns, gray_range(x))
        sprite, side = embedded(picture), (picture.width - 2) // columns - 2
    return {"dots": found, "sprite": sprite, "side": side, "columns": columns}


def flat(embedding: NDArray, seed: int) -> NDArray:
    """Positions ``(n, 2)`` of embeddings ``(n, D)`` on the map, by t-SNE."""
    deviation = embedding.std(0)
    scaled = (embedding - embedding.mean(0)) / np.where(deviation > 0, deviation, 1)
    perplexity = min(30.0, (len(scaled) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="random", max_iter=STEPS, random_state=seed)
    place = tsne.fit_transform(scaled)
    low, high = place.min(0), place.max(0)
    return 12 + (place - low) / np.where(high > low, high - low, 1) * (np.array(MAP) - 24)


def confusion(subject: Subject) -> dict[str, Any] | None:
    """Numbers of samples by class and cluster, with clusters in the order of matched classes."""
    matching = subject.matching()
    if matching is None:
        return None
    matched = [k for k in matching.cluster_of.tolist() if k >= 0]
    order = [*matched, *(k for k in range(subject.config.n_clusters) if k not in matched)]
    counts = matching.counts[:, order]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows = [
        (str(name), [(int(c), f"{0.85 * s:.2f}") for c, s in zip(*both, strict=True)])
        for name, *both in zip(matching.classes, counts, shares, strict=True)
    ]
    return {"clusters": order, "rows": rows}
