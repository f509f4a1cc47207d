"""How the weights change by the gradients of a batch.

Weights, gradients and moments do not fit into a processor's cache, so that the time of an update is
that of passes over memory. Where layers compute with copies of their weights, the plain update
passes three times: it converts the gradients, takes the optimizer's step, and converts the weights.

The moments of weights whose gradient stays zero, as those of units that are never active, decay
until they are subnormal (below 1.2e-38), and rounding keeps them there. Processors take far longer
with such numbers. So moments that no longer matter are set to 0.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import hardshrink
from torch.optim import Adam, Optimizer

from gammvae.training.compilation import Compilation, Compiled
from gammvae.training.copies import WeightCopies
from gammvae.training.together import add_up

Tensors = Sequence[Tensor]

# What is tiny for a first moment: with Adam's usual epsilon of 1e-8 it moves a weight by 1e-22 of
# the learning rate. With a decay rate of 0.9 it needs 173 steps from there to a subnormal number,
# so that moments are looked at more often.
TINY, DROP_EVERY = 1e-30, 128
# What is tiny for the root of a second moment, relative to the epsilon that is added to it: float32
# rounds to 6e-8, so that the sum hardly changes.
ROOT_TO_EPS = 1e-7
SECOND_MOMENTS = ("exp_avg_sq", "square_avg", "acc_delta")


class Update:
    """A step of an optimizer of torch.

    Args:
        optimizer: Optimizer of the weights.
        weights: All weights of the model.
        copies: The copies with which layers compute; the gradients are found there.
        max_norm: Maximum norm of the gradient, or ``None``.
    """

    def __init__(
        self, optimizer: Optimizer, weights: Tensors, copies: WeightCopies, max_norm: float | None
    ) -> None:
        self.optimizer, self.weights, self.copies = optimizer, weights, copies
        self.max_norm = max_norm

    def __call__(self) -> None:
        """Changes the weights, in all processes of the run together, and then the copies."""
        self.copies.take_gradients()
        add_up([one.grad for one in self.weights if one.grad is not None])
        if self.max_norm is not None:
            nn.utils.clip_grad_norm_(self.weights, self.max_norm)
        self.optimizer.step()
        self.copies.refresh()

    @torch.no_grad()
    def drop_tiny(self) -> None:
        """Sets moments to 0 that hardly change a weight any more."""
        for group in self.optimizer.param_groups:
            eps = group.get("eps")  # Adafactor has two
            root = ROOT_TO_EPS * eps if isinstance(eps, float) else 0.0
            limits = {"exp_avg": TINY, "momentum_buffer": TINY}
            limits |= dict.fromkeys(SECOND_MOMENTS, root**2)
            for weight in filter(self.optimizer.state.__contains__, group["params"]):
                state = self.optimizer.state[weight]
                for name in limits.keys() & state.keys():
                    if state[name] is not None:  # as SGD's without momentum
                        state[name].copy_(hardshrink(state[name], limits[name]))


class Place(NamedTuple):
    """A weight, the copy with which its layer computes, and the settings of its group."""

    weight: Tensor
    copy: Tensor | None
    group: dict[str, Any]

    @property
    def source(self) -> Tensor:
        """Where the gradient is found."""
        return self.weight if self.copy is None else self.copy


class CompiledAdam(Update):
    """The same step of Adam in one pass over memory, equal to it but for rounding.

    The moments are those of the optimizer, so that they are stored as ever.

    Args:
        optimizer: An optimizer that ``is_plain_adam``.
        weights: All weights of the model.
        copies: The copies with which layers compute.
        compilation: What is compiled for the run.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        weights: Tensors,
        copies: WeightCopies,
        compilation: Compilation,
    ) -> None:
        super().__init__(optimizer, weights, copies, None)
        self.adam = Compiled(adam, compilation)
        copy_of = dict(zip(map(id, copies.weights), copies.copies, strict=True))
        self.places = [
            Place(weight, copy_of.get(id(weight)), group)
            for group in optimizer.param_groups
            for weight in group["params"]
        ]

    @torch.no_grad()
    def __call__(self) -> None:
        """Changes the weights and the copies; the first step of a stage makes the moments."""
        used = [place for place in self.places if place.source.grad is not None]
        known = self.optimizer.state
        if self.adam.compilation.failed or any(place.weight not in known for place in used):
            super().__call__()
            return
        means, squares, gradients, numbers = [], [], [], []
        for place in used:
            state, (first, second) = known[place.weight], place.group["betas"]
            state["step"] += 1
            step = state["step"].item()
            size, root = place.group["lr"] / (1 - first**step), math.sqrt(1 - second**step)
            decays = first, 1 - first, second, 1 - second
            numbers.append((size, root, *decays, place.group["eps"]))
            means.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            gradients.append(cast(Tensor, place.source.grad))
            place.source.grad = None
        weights = [place.weight.detach() for place in used]
        copies = [None if place.copy is None else place.copy.detach() for place in used]
        self.adam(weights, means, squares, gradients, copies, torch.tensor(numbers))


def is_plain_adam(optimizer: Optimizer) -> bool:
    """Whether ``adam`` computes the steps of an optimizer."""
    others = ("weight_decay", "amsgrad", "maximize", "differentiable")
    return type(optimizer) is Adam and not any(
        group[name] for group in optimizer.param_groups for name in others
    )


def adam(
    weights: Tensors,
    means: Tensors,
    squares: Tensors,
    gradients: Tensors,
    copies: Sequence[Tensor | None],
    numbers: Tensor,
) -> None:
    """Adam's update of weights, in place.

    Args:
        weights: ``W`` weights of any shapes.
        means: Their first moments.
        squares: Their second moments.
        gradients: Their gradients, in any precision.
        copies: Copies of the weights in another precision, or ``None``.
        numbers: ``(W, 7)``: the learning rate over the first bias correction, the root of the
            second, each decay rate and its difference from 1, and epsilon.

    References:
        Adam: a method for stochastic optimization (Kingma and Ba, 2015), algorithm 1,
        https://arxiv.org/abs/1412.6980
    """
    for index, (weight, mean, square, gradient, copy) in enumerate(
        zip(weights, means, squares, gradients, copies, strict=True)
    ):
        size, root, first, rest_of_first, second, rest_of_second, eps = numbers[index].unbind()
        wide = gradient.to(weight.dtype)
        mean.mul_(first).add_(rest_of_first * wide)
        square.mul_(second).add_(rest_of_second * wide * wide)
        weight.sub_(size * mean / (square.sqrt() / root + eps))
        if copy is not None:
            copy.copy_(weight)
