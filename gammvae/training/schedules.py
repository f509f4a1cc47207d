"""Schedules of the learning rate and of the KL weight over a stage of training."""

import math
from collections.abc import Callable
from typing import NamedTuple

from gammvae.config.sections import OptimizerConfig

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


class LearningRate(NamedTuple):
    """The course of the learning rate over a stage, relative to its initial value.

    Attributes:
        schedule: Key of ``SCHEDULES``, or ``step``.
        warmup: Share of the steps, in [0, 1], in which the rate rises to the schedule. Without a
            warmup, Adam's first steps are as long as later ones and can leave dead units if there
            are many features.
        factor: With ``step``, the number by which the rate is multiplied again and again.
        every: Number of epochs between these times.
        floor: Share of the initial rate, in [0, 1], below which ``step`` does not go.
        updates: Number of steps between these times, in place of ``every``, or ``None``.
    """

    schedule: str
    warmup: float = 0.1
    factor: float = 0.9
    every: int = 10
    floor: float = 0.0
    updates: int | None = None

    @classmethod
    def of(cls, config: OptimizerConfig) -> "LearningRate":
        """The course that an optimizer is configured with."""
        step = config.step_factor, config.step_epochs, config.step_floor, config.step_updates
        return cls(config.schedule, config.warmup, *step)

    def at(self, step: int, total: int, per_epoch: int) -> float:
        """The relative rate of a step.

        Args:
            step: Step within the stage, counted from 0.
            total: Number of steps of the stage.
            per_epoch: Number of steps of an epoch.
        """
        if self.schedule == "step":
            times = step // (self.updates or per_epoch * self.every)
            value = max(self.floor, self.factor**times)
        else:
            value = SCHEDULES[self.schedule](step / total)
        rising = self.warmup * total
        return value if step + 1 >= rising else (step + 1) / rising * value
