import io
import json

import numpy as np
import pytest
import torch

from gammvae.cli import packing
from gammvae.cli.packing import ABOUT, ONNX_PACKAGES, check_packages, pack
from gammvae.data.preprocessing import Preprocessing
from gammvae.errors import InputError
from gammvae.evaluation.programs import ClusterProgram, DecoderProgram
from gammvae.model.building import build_model
from tests.conftest import compose_config

NONE = Preprocessing("none", {})


def network(*overrides, shape=(6,), likelihood="normal"):
    """A model with random weights and components that differ."""
    config = compose_config("n_clusters=4", "architecture.latent_dim=3", *overrides)
    made = build_model(config, shape, likelihood).eval().requires_grad_(False)
    torch.nn.init.normal_(made.prior.location)
    torch.nn.init.normal_(made.prior.log_scale, std=0.3)
    return made


def need(kind):
    for name in ONNX_PACKAGES if kind == ".onnx" else ():
        pytest.importorskip(name)


@pytest.mark.parametrize("kind", [".pt2", ".onnx"])
@pytest.mark.parametrize(
    ("overrides", "shape", "likelihood"),
    [
        (("architecture.hidden=[8]",), (6,), "normal"),
        (("model=vade", "architecture.hidden=[8]"), (6,), "normal"),
        (("architecture=conv", "architecture.channels=[2,3]"), (1, 8, 8), "bernoulli"),
    ],
)
def test_programs_compute_what_the_model_does(kind, overrides, shape, likelihood):
    need(kind)
    model = network(*overrides, shape=shape, likelihood=likelihood)
    x = torch.rand(7, *shape)
    clusters, decoder = ClusterProgram(model, NONE), DecoderProgram(model, NONE, shape)
    packed = pack(kind, clusters, x, {"name": "ä"})
    for batch in (x, x[:1], torch.rand(300, *shape)):  # of any size
        for found, wanted in zip(packed.run(batch.numpy()), clusters(batch), strict=True):
            assert np.allclose(found, wanted.numpy(), atol=1e-5)
    z = clusters(x)[0]
    (found,) = pack(kind, decoder, z, {}).run(z[:2].numpy())
    assert np.allclose(found, decoder(z[:2]).numpy(), atol=1e-5)


def test_a_program_of_torch_says_what_it_is():
    model = network("architecture.hidden=[8]")
    content = pack(".pt2", ClusterProgram(model, NONE), torch.rand(3, 6), {"a": [1]}).content
    extra = {ABOUT: ""}
    torch.export.load(io.BytesIO(content), extra_files=extra)
    assert json.loads(extra[ABOUT]) == {"a": [1]}


def test_a_program_in_onnx_has_names_and_says_what_it_is():
    need(".onnx")
    import onnxruntime

    model = network("architecture.hidden=[8]")
    content = pack(".onnx", ClusterProgram(model, NONE), torch.rand(3, 6), {"a": [1]}).content
    session = onnxruntime.InferenceSession(content)
    assert [one.name for one in session.get_inputs()] == ["x"]
    assert [one.name for one in session.get_outputs()] == list(ClusterProgram.OUTPUTS)
    about = session.get_modelmeta().custom_metadata_map[ABOUT]
    assert json.loads(about) == {"a": [1]}


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(packing, "find_spec", lambda name: None if name == "onnxruntime" else name)
    check_packages(tmp_path / "x.pt2")
    with pytest.raises(InputError, match="x.onnx needs onnxruntime: pip install 'gammvae.onnx.'"):
        check_packages(tmp_path / "x.onnx")
