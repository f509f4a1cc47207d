"""Parts of a report that show samples: clusters, reconstructions, interpolations, densities.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from markupsafe import Markup, escape
from PIL import Image

from gammvae.data.samples import subset
from gammvae.errors import InputError
from gammvae.evaluation.generation import MIN_POSTERIOR, draw, sample_exactly
from gammvae.report.charts import density, profiles
from gammvae.report.pictures import gray_range, grid, is_image
from gammvae.report.subject import Subject, members

# Samples in a row of pictures, features in a profile, samples in a histogram.
SHOWN, PROFILED, DRAWN = 12, 40, 5000


def embedded(image: Image.Image) -> str:
    """An image as a data URL."""
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def cluster(subject: Subject, k: int, color: str) -> dict[str, Any]:
    """Size, class and members of one cluster."""
    labels = subject.arrays["labels"]
    size = int((labels == k).sum())
    title = f"Cluster {k}: {size:,} samples, {100 * size / len(labels):.1f} %"
    matching = subject.matching()
    if matching is not None and matching.class_of[k] >= 0:
        row = matching.class_of[k]
        share = matching.counts[row, k] / max(size, 1)
        title += f", class {matching.classes[row]} ({100 * share:.1f} % of them)"
    typical, doubtful = members(subject, k, SHOWN)
    parts = {"typical": subject.rows(typical), "doubtful": subject.rows(doubtful)}
    if subject.generates:
        try:
            drawn = draw(subject.model, k, SHOWN, MIN_POSTERIOR, 1.0, subject.config.seed)
            parts["generated"] = drawn.x.cpu().numpy()
        except InputError:  # other components cover this one
            parts["generated"] = parts["typical"][:0]
    if is_image(subject.facts.shape):
        pictures = [
            (name, embedded(grid(x, subject.facts.shape, SHOWN, gray_range(x))))
            for name, x in parts.items()
            if len(x)
        ]
        return {"title": title, "color": color, "pictures": pictures, "lines": []}
    lines = [
        f"{name}: samples {', '.join(map(str, index[:6].tolist()))}"
        for name, index in (("typical", typical), ("doubtful", doubtful))
        if len(index)
    ]
    return {"title": title, "color": color, "pictures": [], "lines": lines}


def profiled(subject: Subject) -> dict[str, Any]:
    """The heat map of feature means by cluster, for the features that differ most."""
    chosen = subset(len(subject.x), 10 * DRAWN, subject.config.seed)
    x, labels = subject.rows(chosen).astype(np.float64), subject.arrays["labels"][chosen]
    scaled = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    means = np.stack(
        [
            scaled[labels == k].mean(0) if (labels == k).any() else np.zeros(x.shape[1])
            for k in range(subject.config.n_clusters)
        ]
    )
    shown = np.sort(np.argsort(-means.var(0), kind="stable")[:PROFILED])
    names = subject.facts.names or [f"feature {i}" for i in range(x.shape[1])]
    what = "all features" if len(shown) == x.shape[1] else f"the {len(shown)} that differ most"
    picture = profiles(means[:, shown], [names[i] for i in shown])
    return {"profiles": Markup(picture), "profiled": what}


@torch.no_grad()
def reconstructions(subject: Subject) -> Markup:
    """Images above their reconstructions; for other data, the share of explained variance."""
    n = SHOWN if is_image(subject.facts.shape) else DRAWN
    x = subject.rows(subset(len(subject.x), n, subject.config.seed))
    device = subject.x.device
    again = subject.model.decoder(subject.model.encoder(torch.from_numpy(x).to(device)).mean).mean
    y = again.cpu().numpy()
    if is_image(subject.facts.shape):
        both = np.concatenate([x, y])
        source = embedded(grid(both, subject.facts.shape, len(x), gray_range(x)))
        text = "Samples, and below them their reconstructions from the mean of q(z|x)"
        return Markup('<div class="wide"><img src="{}" alt="{}"></div>').format(source, text)
    explained = 1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    return escape(f"The decoder explains {100 * explained:.1f} % of the samples' variance.")


@torch.no_grad()
def interpolation(subject: Subject) -> Markup:
    """Decoded steps from the mean of the largest cluster to that of the second largest."""
    sizes = np.bincount(subject.arrays["labels"], minlength=subject.config.n_clusters)
    first, *others = np.argsort(-sizes, kind="stable").tolist()
    last = others[0] if others else first
    means = subject.model.prior().components.mean  # (K, D)
    steps = torch.linspace(0, 1, SHOWN, device=means.device)[:, None]
    z = means[first] * (1 - steps) + means[last] * steps
    x = subject.model.decoder(z).mean.cpu().numpy()
    text = f"From cluster {first} to cluster {last}"
    if is_image(subject.facts.shape):
        source = embedded(grid(x, subject.facts.shape, SHOWN, gray_range(x)))
        return Markup(
            '<figure><figcaption>{}</figcaption><div class="wide"><img src="{}" alt="{}"></div>'
            "</figure>"
        ).format(text, source, text)
    moved = np.argsort(-np.abs(x[-1] - x[0]), kind="stable")[:8]
    names = subject.facts.names or [f"feature {i}" for i in range(x.shape[1])]
    back = subject.facts.preprocessing
    units = back.invert(x) if back.invertible else x
    lines = [
        Markup("<tr><th>{}</th>{}</tr>").format(
            names[i],
            Markup("").join(Markup("<td>{}</td>").format(f"{v:.3g}") for v in units[::2, i]),
        )
        for i in moved.tolist()
    ]
    return Markup('<p>{}</p><div class="scroll"><table>{}</table></div>').format(
        text, Markup("").join(lines)
    )


@torch.no_grad()
def latent(subject: Subject, colors: Sequence[str]) -> list[str]:
    """The mixture's density over a histogram of draws from ``q(z|x)``, by latent feature."""
    index = subset(len(subject.x), DRAWN, subject.config.seed)
    x = torch.from_numpy(subject.rows(index)).to(subject.x.device)
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(subject.config.seed)
        z = sample_exactly(subject.model.encoder(x).base_dist, 1)[0]
    low, high = torch.quantile(z, torch.tensor([0.002, 0.998], device=z.device), dim=0)
    steps = torch.linspace(0, 1, 200, device=z.device)[:, None]
    places = low + (high - low) * steps  # (G, D)
    prior = subject.model.prior()
    log_density = prior.components.base_dist.log_prob(places[:, None])  # (G, K, D)
    parts = log_density.exp() * prior.weights.probs[:, None]
    by_feature = [np.moveaxis(one.cpu().numpy(), -1, 0) for one in (z, places, parts)]
    return [
        density(draws, at, heights, f"z{d}", colors)
        for d, (draws, at, heights) in enumerate(zip(*by_feature, strict=True), start=1)
    ]
