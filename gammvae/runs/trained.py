"""Loads the model of a finished run, with the facts about the data that it needs."""

import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from gammvae.config.schema import Config
from gammvae.config.sizing import sized
from gammvae.data.preprocessing import FIGURES, Preprocessing
from gammvae.data.training_data import Facts
from gammvae.devices import choose_device
from gammvae.errors import InputError, blaming
from gammvae.model.building import build_model
from gammvae.model.networks import DECODERS
from gammvae.model.vae import MixtureVAE
from gammvae.runs.checkpoints import load_checkpoint
from gammvae.runs.contents import CONFIG, DATA, RESULT
from gammvae.runs.directory import RunDirectory
from gammvae.runs.readers import check_array, read_arrays
from gammvae.runs.records import Result

FIGURE = "preprocessing."
# Upper bounds that exceed any practical number of features and size of their names and figures.
MOST_FEATURES, MOST_BYTES = 2**31, 2**28
# Names of samples beyond this are not kept, because they are not needed.
MOST_NAMES = 2**27


class Trained(NamedTuple):
    """A finished run.

    Attributes:
        model: Model with the weights of the run.
        config: Configuration of the run.
        result: Result of the run.
        facts: Shape and names of the features, likelihood and fitted preprocessing.
        device: Device of the model.
    """

    model: MixtureVAE
    config: Config
    result: Result
    facts: Facts
    device: torch.device


def keep_facts(directory: RunDirectory, facts: Facts) -> None:
    """Writes the facts about the data that a model needs to the run's directory.

    Args:
        directory: Directory of the run.
        facts: Facts about the data that the model is trained on.
    """
    arrays = {
        "shape": np.array(facts.shape),
        "likelihood": np.array(facts.likelihood),
        "names": np.array(facts.names, dtype=str),
        "preprocess": np.array(facts.preprocessing.name),
        **{FIGURE + name: value for name, value in facts.preprocessing.figures.items()},
    }
    if facts.medians is not None:
        arrays["medians"] = facts.medians
    if facts.categories:
        pairs = [(name, text) for name, texts in facts.categories.items() for text in texts]
        arrays["categories"] = np.array(pairs, dtype=str)
    samples = np.array(facts.samples, dtype=str)
    if 0 < samples.nbytes <= MOST_NAMES:
        arrays["samples"] = samples
    directory.write(DATA, lambda file: cast(Any, np.savez)(file, **arrays))


def load_trained(
    directory: RunDirectory, device_name: str, config: Config | None = None
) -> Trained:
    """Loads a finished run from its directory.

    Args:
        directory: Directory of the run.
        device_name: Device for the model, see ``devices.choose_device``.
        config: Configuration of the run, if functions that it names may be called; by default as
            stored, of which none is called.

    Raises:
        InputError: The run is not finished, its model has no mixture, or a file is damaged.
    """
    result, config = directory.read_result(), config or directory.read_config()
    if not config.model.has_mixture:
        raise InputError(
            f"{directory.path} holds a run of model={config.model.name}: "
            "this needs a model with a mixture prior, gammvae or vade"
        )
    if "elbo_unlikely" not in result["metrics"]:
        raise InputError(f"{directory / RESULT} is damaged: it has no metrics.elbo_unlikely")
    facts = read_facts(directory)
    config = sized(config, result["samples"], math.prod(facts.shape))
    device = choose_device(device_name)
    with blaming(directory / CONFIG):
        model = build_model(config, facts.shape, facts.likelihood).to(device)
    directory.check_weights()
    if load_checkpoint(directory, "train", model, None, result["dataset_digest"]) is None:
        raise InputError(f"{directory.path} holds no weights: train.pt is missing")
    return Trained(model, config, result, facts, device)


def read_facts(directory: RunDirectory) -> Facts:
    """Reads the facts about the data that a model needs from the run's directory.

    Raises:
        InputError: The file is missing or damaged.
    """
    path = directory / DATA
    if not path.exists():
        raise InputError(
            f"{path} is missing: the run was made by a version that did not write it; "
            "overwrite=true runs it again"
        )
    directory.check_digest(DATA)
    arrays = read_arrays(path, MOST_BYTES)
    sizes = tuple(check_array(arrays, "shape", "i", (None,), path).tolist())
    features = math.prod(sizes)
    if not sizes or min(sizes) < 1 or features > MOST_FEATURES:
        raise InputError(f"{path} is damaged: {sizes} is not the shape of a sample")
    names = tuple(check_array(arrays, "names", "U", (None,), path).tolist())
    if len(names) not in (0, features):
        raise InputError(f"{path} is damaged: it has {len(names)} names for {features} features")
    likelihood, preprocess = (
        str(check_array(arrays, name, "U", (), path)) for name in ("likelihood", "preprocess")
    )
    if likelihood not in DECODERS:
        raise InputError(f"{path} is damaged: its likelihood is {likelihood!r}")
    if preprocess not in FIGURES:
        raise InputError(f"{path} is damaged: its preprocessing is {preprocess!r}")
    figures = {
        name: check_array(arrays, FIGURE + name, "f", (features,), path)
        for name in FIGURES[preprocess]
    }
    if "deviation" in figures and not (figures["deviation"] > 0).all():
        raise InputError(f"{path} is damaged: a deviation is not positive")
    medians = None
    if "medians" in arrays:
        medians = check_array(arrays, "medians", "f", (features,), path)
    return Facts(
        shape=sizes,
        likelihood=likelihood,
        names=names,
        preprocessing=Preprocessing(preprocess, figures),
        categories=categories_of(arrays, path),
        medians=medians,
    )


def sample_names(directory: RunDirectory) -> list[str]:
    """The names of a run's samples, in its order; an empty list if they have none.

    Raises:
        InputError: The file is damaged.
    """
    path = directory / DATA
    if not path.exists():
        return []
    directory.check_digest(DATA)
    arrays = read_arrays(path, MOST_BYTES)
    if "samples" not in arrays:
        return []
    names: list[str] = check_array(arrays, "samples", "U", (None,), path).tolist()
    return names


def categories_of(arrays: dict[str, NDArray], path: Path) -> dict[str, tuple[str, ...]]:
    """The texts of each column of text, from the pairs of column and text that a run stores.

    Raises:
        InputError: The array is damaged.
    """
    found: dict[str, list[str]] = {}
    if "categories" in arrays:
        for name, text in check_array(arrays, "categories", "U", (None, 2), path).tolist():
            found.setdefault(name, []).append(text)
    return {name: tuple(texts) for name, texts in found.items()}
