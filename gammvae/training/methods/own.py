"""A method of the user's own: the function that ``model.peer`` names."""

from typing import cast

from gammvae.config.code import made
from gammvae.config.sections import ModelConfig
from gammvae.errors import InputError
from gammvae.training.method import Method
from gammvae.training.workspace import Workspace

# What the interface ``Method`` has.
NEEDED = ("stages", "restore", "assigner", "evaluate")
OPTIONS = tuple(ModelConfig().options())


def method(work: Workspace) -> Method:
    """What the user's function makes of a run's workspace, which is its argument ``work``."""
    peer = work.config.model.peer
    assert peer is not None  # config.schema.check_code has seen to it
    found = made("model.peer", peer, work=work)
    if lacking := [name for name in NEEDED if not callable(getattr(found, name, None))]:
        raise InputError(
            f"model.peer={peer['_target_']} must return a method, but returned a "
            f"{type(found).__name__}, which has no {lacking[0]}"
        )
    return cast(Method, found)
