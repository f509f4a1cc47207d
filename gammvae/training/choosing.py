"""The stage between pretraining and the start, if the number of clusters is left to the data."""

import logging
import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gammvae.data.samples import subset
from gammvae.errors import InputError
from gammvae.initialization.manifold import (
    Featured,
    Unchanged,
    first_resolution,
    manifold_points,
)
from gammvae.initialization.number import SAMPLES, curve, verdict
from gammvae.runs.contents import CHOICE
from gammvae.runs.records import Choice
from gammvae.system.progress import begin
from gammvae.tables.choices import told
from gammvae.training.pretraining import pretrain
from gammvae.training.workspace import Workspace

log = logging.getLogger(__name__)


def check_candidates(work: Workspace) -> None:
    """Refuses to choose the number of clusters where other settings already depend on it.

    Raises:
        InputError: It is left to the data, and pretraining trains a mixture, or labels are given.
    """
    config = work.config
    if not work.candidates:
        return
    trained = next(work.model.prior.parameters()).requires_grad
    if config.pretrain.kl_weight and trained and not config.model.on_samples:
        raise InputError(
            f"pretrain.kl_weight={config.pretrain.kl_weight} trains the mixture before the number "
            "of clusters is chosen: it must be 0, or n_clusters a number"
        )
    if config.init.labels is not None:
        raise InputError(
            f"init.labels={config.init.labels} has a number of clusters: n_clusters must be it"
        )


def choose_number(work: Workspace) -> Choice:
    """Chooses among ``work.candidates``, and writes how to the run's directory.

    Neighbors are looked for among the features of the pretrained autoencoder, or of the samples for
    a method without one.

    Args:
        work: Workspace of the run, whose model is pretrained if the method needs that.
    """
    config = work.config
    if not config.model.on_samples:
        pretrain(work)
    begin("number")
    began = time.perf_counter()
    chosen = subset(len(work.x), min(SAMPLES, config.init.max_samples), config.seed)
    network: Featured = Unchanged() if config.model.on_samples else work.model
    points = manifold_points(network, work.x, chosen, config.seed)
    resolution = first_resolution(config.init, work.filled)
    log.info(
        "choosing among %s clusters, on %d samples and random parts of them",
        *(span(numbers := possible(work.candidates, points)), len(points)),
    )
    tried = list(curve(points, numbers, resolution, config.seed, work.device))
    choice: Any = {
        **verdict(tried)._asdict(),
        "candidates": [one._asdict() for one in tried],
        "samples": len(chosen),
        "dataset_digest": work.digest,
        "seconds": time.perf_counter() - began,
    }
    for line in told(choice):
        log.info("%s", line)
    work.directory.write_json(CHOICE, choice)
    return cast(Choice, choice)


def possible(candidates: Sequence[int], points: NDArray) -> list[int]:
    """The candidates that are fewer than the different points ``(N, P)``.

    Raises:
        InputError: There are none.
    """
    different = len(np.unique(points, axis=0))
    if different < len(points) / 2:
        log.warning(
            "%d of %d samples are copies of others, which are their own neighbors: the choice says "
            "little; without the copies it says more",
            *(len(points) - different, len(points)),
        )
    found = [number for number in candidates if number < different]
    if not found:
        raise InputError(
            f"there are only {different} different samples, which is no more than the fewest "
            f"clusters to choose among, {candidates[0]}"
        )
    return found


def span(numbers: Sequence[int]) -> str:
    """Numbers in words."""
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
