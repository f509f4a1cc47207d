"""Schedules of the learning rate and of the KL weight over a stage of training."""

import math
from collections.abc import Callable

# Learning rate relative to its initial value, by the share of the stage's steps that are done.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1 - t,
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
}
# Weight of the KL terms relative to the stage's kl_weight, by the share of the stage that is done.
KL_SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "warmup": lambda t: min(1.0, 2 * t),
    # Four cycles that rise in their first half: https://arxiv.org/abs/1903.10145 (Fu et al., 2019).
    "cyclic": lambda t: min(1.0, 2 * (4 * t % 1)),
}
# Share of a stage's steps in which the learning rate rises to its initial value. Without a warmup,
# Adam's first steps are as long as later ones and can leave dead units if there are many features.
WARMUP = 0.1


def rate(schedule: str, step: int, total: int) -> float:
    """Learning rate of a step relative to its initial value: a short warmup times the schedule.

    Args:
        schedule: Key of ``SCHEDULES``.
        step: Step within the stage, counted from 0.
        total: Number of steps of the stage.
    """
    return min(1.0, (step + 1) / (WARMUP * total)) * SCHEDULES[schedule](step / total)
