import numpy as np
import pytest
import scipy.special
import torch

from gammvae.evaluation.elementary import digamma, lgamma

# Far beyond the concentrations that a model may have.
X = np.concatenate([np.logspace(-3, 9, 2001), [0.5, 1, 1.5, 2, 3]])


@pytest.mark.parametrize(("ours", "known"), [(lgamma, "gammaln"), (digamma, "digamma")])
def test_special_functions_are_scipys(ours, known):
    expected = getattr(scipy.special, known)(X)
    found = ours(torch.from_numpy(X)).numpy()
    assert found.dtype == np.float64
    assert (np.abs(found - expected) <= 1e-13 * (1 + np.abs(expected))).all()


def test_digamma_is_the_derivative_of_lgamma():
    x = torch.logspace(-1, 3, 50, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(lgamma(x).sum(), x)
    assert torch.allclose(slope, digamma(x), rtol=1e-11, atol=1e-11)
