import numpy as np
import pytest
import torch

from gammvae.data.preprocessing import FIGURES, fit
from gammvae.data.rows import as_float32, scan
from gammvae.evaluation.assignments import assign
from gammvae.evaluation.programs import ClusterProgram, DecoderProgram, Preprocess
from gammvae.model.building import build_model
from tests.conftest import compose_config


def counts():
    """Rows of very different size, one of them empty, and a constant column."""
    x = np.random.default_rng(0).poisson(3, (40, 6)) * np.array([1, 10, 1e3, 1, 1, 1e6])
    x[3], x[:, 4] = 0, 0
    return x.astype(np.float64)


@pytest.mark.parametrize("name", FIGURES)
def test_preprocessing_is_that_of_training(name):
    x = counts()
    known = fit(name, x, scan(x, b""), (6,))
    ours = Preprocess(known)
    found = ours(torch.from_numpy(x).to(ours.dtype)).numpy()
    assert found.dtype == np.float32
    assert np.allclose(found, as_float32(known(x)), rtol=1e-6, atol=0)
    if known.invertible:
        given = torch.from_numpy(found)
        assert np.allclose(ours.back(given).numpy(), known.invert(found), rtol=1e-12)


@pytest.mark.parametrize("model", ["gammvae", "vade"])
@pytest.mark.parametrize("preprocess", ["none", "minmax"])
def test_programs_are_the_model(model, preprocess):
    shape = (1, 2, 3)
    config = compose_config(f"model={model}", "architecture.hidden=[8]", "n_clusters=4")
    network = build_model(config, shape, "bernoulli").requires_grad_(False)
    torch.nn.init.normal_(network.prior.location)
    x = np.random.default_rng(0).random((20, 6)).astype(np.float32)
    known = fit(preprocess, x, scan(x, b""), shape)
    clusters = ClusterProgram(network, known)
    given = torch.from_numpy(x).to(clusters.preprocess.dtype).unflatten(1, shape)
    embedding, responsibilities, label = (one.numpy() for one in clusters(given))
    (part,) = assign(network, torch.from_numpy(as_float32(known(x))))
    assert np.allclose(embedding, part.embedding, atol=1e-6)
    assert np.allclose(responsibilities, part.responsibilities, atol=1e-6)
    assert (label == part.labels).all()
    decoded = DecoderProgram(network, known, shape)(torch.from_numpy(embedding))
    mean = network.decoder(torch.from_numpy(embedding)).mean.numpy()
    assert decoded.shape == (20, *shape)
    assert np.allclose(decoded.flatten(1).numpy(), known.invert(mean), atol=1e-6)
