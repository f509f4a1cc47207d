"""A method of the user's own: the function that ``model.peer`` names."""

from gammvae.config.code import made
from gammvae.config.schema import ModelConfig
from gammvae.training.method import Method
from gammvae.training.workspace import Workspace

OPTIONS = tuple(ModelConfig().options())


def method(work: Workspace) -> Method:
    """What the user's function makes of a run's workspace, which is its argument ``work``."""
    peer = work.config.model.peer
    assert peer is not None  # config.schema.check_code has seen to it
    return made("model.peer", peer, work=work)
