"""Special functions from elementary operations, for formats that have no special functions."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

# The asymptotic series are used this far above the argument, where the first term that is left out
# is below 3e-13.
STEPS = 8


def lgamma(x: Tensor) -> Tensor:
    r"""The logarithm of the Gamma function at positive ``x``, elementwise, in float64.

    .. math:: \ln\Gamma(x) = \ln\Gamma(x + n) - \sum_{i<n} \ln(x + i)

    with Stirling's series for :math:`\ln\Gamma(x + n)`.

    References:
        NIST Digital Library of Mathematical Functions, 5.5.1 and 5.11.1, https://dlmf.nist.gov/5
    """
    y, lower = raised(x)
    s = 1 / (y * y)
    series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188))))
    stirling = (y - 0.5) * y.log() - y + math.log(2 * math.pi) / 2 + series / y
    return stirling - lower.log().sum(0)


def digamma(x: Tensor) -> Tensor:
    r"""The derivative of ``lgamma`` at positive ``x``, elementwise, in float64.

    .. math:: \psi(x) = \psi(x + n) - \sum_{i<n} \frac{1}{x + i}

    with the asymptotic series of :math:`\psi(x + n)`.

    References:
        NIST Digital Library of Mathematical Functions, 5.5.2 and 5.11.2, https://dlmf.nist.gov/5
    """
    y, lower = raised(x)
    s = 1 / (y * y)
    series = 1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132))))
    return y.log() - 1 / (2 * y) - s * series - (1 / lower).sum(0)


def raised(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x + STEPS``, and the numbers in between: ``x + i``, stacked along a new first axis."""
    return x + STEPS, torch.stack([x + i for i in range(STEPS)])


# By the operator of torch that they replace, as ``torch.export`` takes them.
DECOMPOSITIONS: dict[Callable, Callable[[Tensor], Tensor]] = {
    torch.ops.aten.lgamma.default: lgamma,
    torch.ops.aten.digamma.default: digamma,
}
