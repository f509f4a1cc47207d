"""A finished run, ready to be used: its model, and what that must know of its data."""

from typing import Any, NamedTuple, cast

import numpy as np
import torch

from gammvae.building import build_model
from gammvae.checkpoints import load_checkpoint
from gammvae.config import Config
from gammvae.datasets import Facts
from gammvae.devices import choose_device
from gammvae.errors import InputError, reading
from gammvae.model import MixtureVAE
from gammvae.preprocessing import Preprocessing
from gammvae.runs import DATA, RunDirectory

FIGURE = "preprocessing."


class Trained(NamedTuple):
    """A finished run.

    Attributes:
        model: With the weights of the run.
        config: Of the run.
        result: What the run came to.
        facts: What samples must look like, and what they go through before the model sees them.
        device: Where the model is.
    """

    model: MixtureVAE
    config: Config
    result: dict[str, Any]
    facts: Facts
    device: torch.device


def keep_facts(directory: RunDirectory, facts: Facts) -> None:
    """Writes what a model must know of its data into the run's directory.

    Args:
        directory: Of the run.
        facts: About what it was trained on.
    """
    arrays = {
        "shape": np.array(facts.shape),
        "likelihood": np.array(facts.likelihood),
        "names": np.array(facts.names, dtype=str),
        "preprocess": np.array(facts.preprocessing.name),
        **{FIGURE + name: value for name, value in facts.preprocessing.figures.items()},
    }
    directory.write(DATA, lambda file: cast(Any, np.savez)(file, **arrays))


def load_trained(directory: RunDirectory, config: Config) -> Trained:
    """The finished run of a directory.

    Args:
        directory: Of the run.
        config: As stored, ``device`` as wished.

    Raises:
        InputError: The run is not finished, its model is no mixture, or a file is damaged.
    """
    result = directory.read_result()
    if config.model.clusterer is not None:
        raise InputError(
            f"{directory.path} holds a run of model={config.model.name}: "
            "this needs a model with a mixture of its own, gammvae or vade"
        )
    path = directory / DATA
    if not path.exists():
        raise InputError(
            f"{path} is missing: the run was made by a version that kept none; "
            "overwrite=true runs it again"
        )
    with reading(path), np.load(path, allow_pickle=False) as arrays:
        figures = {
            name.removeprefix(FIGURE): arrays[name]
            for name in arrays.files
            if name.startswith(FIGURE)
        }
        facts = Facts(
            tuple(arrays["shape"].tolist()),
            str(arrays["likelihood"]),
            tuple(arrays["names"].tolist()),
            Preprocessing(str(arrays["preprocess"]), figures),
        )
    device = choose_device(config.device)
    model = build_model(config, facts.shape, facts.likelihood).to(device)
    if load_checkpoint(directory, "train", model, None, result["dataset_digest"]) is None:
        raise InputError(f"{directory.path} holds no weights: train.pt is missing")
    return Trained(model, config, result, facts, device)
