"""Shares pretrained autoencoders between runs.

Runs that differ only in later stages need the same autoencoder. It is stored in a folder whose name
is a digest of everything that it depends on, and reused from there. Results are identical to those
of separate runs, bit for bit, since weights and random generators are in the same state.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

import gammvae
from gammvae.config.code import digest_of_code
from gammvae.config.identity import identity
from gammvae.config.schema import Config
from gammvae.config.sections import ModelConfig
from gammvae.errors import InputError
from gammvae.runs.checkpoints import read_checkpoint
from gammvae.runs.contents import LOCK
from gammvae.runs.directory import RunDirectory
from gammvae.system.processes import count
from gammvae.system.writing import link, remove_unfinished

log = logging.getLogger(__name__)

PRETRAINED = "pretrain.pt"
# Prefixes of settings that do not affect pretraining. A digest of the data replaces dataset.
LATER = (
    *("dataset.", "init.", "train.", "pretrain.augment"),
    *(f"model.{name}" for name in ("name", "method", *ModelConfig().options())),
)
# Settings that name functions of the user that pretraining calls; the last if it augments.
PRETRAINING_CODE = "architecture.layers", "model.latents", "augmentation.change"


class Pretrained:
    """Folder of one pretrained autoencoder, which may exist already.

    Args:
        config: Configuration of a run that needs the autoencoder.
        surroundings: Everything else that its weights depend on: data, device, precision, whether
            samples are augmented and whether the prior is trained.
    """

    def __init__(self, config: Config, surroundings: Mapping[str, Any]) -> None:
        unused = LATER if surroundings["augmented"] else (*LATER, "augmentation.")
        if not config.pretrain.kl_weight:  # see checkpoints.with_own_prior
            unused += ("n_clusters",)
        parts = {
            **{k: v for k, v in identity(config).items() if not k.startswith(unused)},
            **surroundings,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "processes": count(),
            "program": program_digest(),
        }
        used = PRETRAINING_CODE if surroundings["augmented"] else PRETRAINING_CODE[:-1]
        if code := digest_of_code(config, used):
            parts["code"] = code
        text = json.dumps(parts, sort_keys=True, default=str)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        folder = config.pretrained or (
            None if config.run_dir else f"{config.output_root}/.pretrained"
        )
        self.path = Path(folder) / name if folder else None
        self.anew = config.overwrite

    @contextmanager
    def shared(self, directory: RunDirectory) -> Iterator[None]:
        """Links the autoencoder to a run's directory, or stores the one trained in the context.

        A second process that needs the same autoencoder waits for the first.
        """
        if self.path is None:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("pretrain: waiting for another run that trains the same autoencoder")
            lock.acquire()
        with lock:
            if self._is_there():
                link(self.path / PRETRAINED, directory / PRETRAINED)
                log.info("pretrain: the autoencoder is taken from %s", self.path)
                yield
            else:
                yield
                link(directory / PRETRAINED, self.path / PRETRAINED)

    def _is_there(self) -> bool:
        assert self.path is not None
        remove_unfinished(self.path)
        path = self.path / PRETRAINED
        if self.anew or not path.exists():
            return False
        try:
            read_checkpoint(path)
        except InputError as error:
            log.warning("pretrain: %s; the autoencoder is trained again", error)
            return False
        return True


@cache
def program_digest() -> str:
    """Digest of the package's source code, so that no weights are reused after a change of it."""
    files = sorted(Path(gammvae.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
