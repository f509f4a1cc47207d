"""Reads the stored configuration of a run, made by this version or an earlier one."""

from typing import Any

from gammvae.config.code import as_stored
from gammvae.config.schema import Config
from gammvae.config.typed import literal, to_config

# From names of loaders in the configurations of earlier versions to their present names.
MOVED_LOADERS = {
    **{
        f"gammvae.benchmarks.{name}": f"gammvae.data.benchmarks.{name}"
        for name in ("digits", "idx_images", "usps", "hhar")
    },
    "gammvae.files.load": "gammvae.data.files.load",
    "gammvae.rcv1.reuters10k": "gammvae.data.rcv1.reuters10k",
    "gammvae.stl10.stl10": "gammvae.data.stl10.stl10",
}


def from_stored(tree: dict[str, Any]) -> Config:
    """The typed configuration of a stored run.

    Texts are taken literally. Addresses and digests of published files are left out, and functions
    are marked as not to be called, because the folder may come from an untrusted source.

    Args:
        tree: Content of ``config.yaml``.

    Raises:
        InputError: A key is unknown, or a value is missing, of the wrong type or out of range.
    """
    tree = with_present_names(tree)
    if isinstance(dataset := tree.get("dataset"), dict):
        tree = {**tree, "dataset": {**dataset, "about": {}}}
    return as_stored(to_config(literal(tree)))


def with_present_names(tree: dict[str, Any]) -> dict[str, Any]:
    """Translates a stored configuration to the present names of settings and loaders.

    Args:
        tree: Content of ``config.yaml``, written by this version or an earlier one.
    """
    dataset, model = tree.get("dataset"), tree.get("model")
    if isinstance(dataset, dict) and isinstance(loader := dataset.get("loader"), dict):
        if now := MOVED_LOADERS.get(str(loader.get("_target_"))):
            loader = {**loader, "_target_": now}
        tree = {**tree, "dataset": {**dataset, "loader": loader}}
    if isinstance(model, dict) and "clusterer" in model:
        model = {**model, "method": model["clusterer"] or "mixture"}
        del model["clusterer"]
        tree = {**tree, "model": model}
    return tree
