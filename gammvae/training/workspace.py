"""What the stages of a run share: configuration, directory, device, data and model."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from gammvae.config.candidates import candidates, is_undecided
from gammvae.config.schema import Config
from gammvae.config.sizing import SMALL_TABLE, chosen_by_size, sized
from gammvae.data.samples import samples_on, subset
from gammvae.data.training_data import load_data
from gammvae.devices import choose_device, surroundings
from gammvae.errors import InputError
from gammvae.evaluation.assignments import assign
from gammvae.evaluation.metrics import clustering_metrics
from gammvae.initialization.anchor import Held
from gammvae.initialization.prior import read_starting_labels
from gammvae.model.building import build_augmentation, build_model, build_optimizer
from gammvae.model.vae import MixtureVAE
from gammvae.runs.checkpoints import held_of, load_checkpoint
from gammvae.runs.directory import RunDirectory
from gammvae.system.processes import count
from gammvae.system.provenance import commit
from gammvae.training.compilation import Compilation
from gammvae.training.precision import choose_precision, faulty_layers

log = logging.getLogger(__name__)

# Number of samples from which mean and scale of the data are computed.
UNIT_SAMPLES = 10_000


class Workspace:
    """Everything that is known before the first stage; only ``model`` changes afterwards.

    Args:
        config: Configuration of the run.
        directory: Directory of the run; not touched here.

    Attributes:
        config: The configuration, with the settings that depend on the size of the data.
        chosen: Values of these settings, by name; empty if the user has given all of them.
        x: All samples ``(N, F)``, preprocessed, on ``device``.
        classes: Classes ``(N,)`` or ``None``; used only for scores and the report.
        digest: Digest of the data.
        facts: What the model must know about the data.
        notes: What the user should know about the data.
        filled: Share of nonzero values, in [0, 1].
        augment: Augmentation of the encoder's input, or ``None``.
        given_labels: Starting labels ``(N,)`` given by the user, or ``None``.
        commit: Commit of gammvae when the run began; empty outside of a checkout.
        candidates: Numbers of clusters to choose among; empty if the number is known. Until one is
            chosen, ``config`` has the first.

    Raises:
        InputError: Configuration, data and machine are not compatible.
    """

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        self.directory = directory
        self.device, self.commit = choose_device(config.device), commit()
        data = load_data(config.dataset, config.preprocess, config.device)
        n_samples, n_features = data.rows.shape
        self.chosen = chosen_by_size(config, n_samples, n_features)
        self.config = config = sized(config, n_samples, n_features)
        self.candidates: Sequence[int] = ()
        if is_undecided(config.n_clusters):
            self.candidates = candidates(config.n_clusters, n_samples)
            self.config = config = replace(config, n_clusters=self.candidates[0])
        if config.n_clusters > n_samples:
            raise InputError(
                f"n_clusters={config.n_clusters} exceeds the {n_samples} samples of "
                f"dataset {config.dataset.name}: every cluster needs at least one"
            )
        given = config.init.labels
        self.given_labels = (
            read_starting_labels(given, n_samples, config.n_clusters) if given else None
        )
        self.facts, self.notes, self.filled = data.facts, data.notes, data.filled
        self.augment = build_augmentation(config.augmentation, data.facts.shape)
        self.x = samples_on(self.device, data.rows)
        self.model = self._untrained()
        self.precision = choose_precision(config.precision, self.device, self.model)
        # refuse bad arguments before anything is written
        build_optimizer(config.optimizer, self.model)
        if config.train.optimizer is not None:
            build_optimizer(config.train.optimizer, self.model, "train.optimizer")
        self.classes, self.digest = data.y, data.digest
        if config.score_every and self.classes is None:
            raise InputError(
                f"score_every={config.score_every} needs known classes, which these data do not "
                "have: it must be 0"
            )

    @cached_property
    def compilation(self) -> Compilation:
        """What is compiled for the run, from the first stage that is compiled."""
        return Compilation()

    def decide(self, n_clusters: int) -> None:
        """Sets the number of clusters that was chosen, and begins with an untrained model."""
        self.candidates = ()
        self.chosen = {**self.chosen, "n_clusters": n_clusters}
        self.config = replace(self.config, n_clusters=n_clusters)
        self.model = self._untrained()

    def introduce(self) -> None:
        """Logs what is clustered, on which device, and the notes about the data.

        Before that, it tests a lower precision that was not chosen by the user.
        """
        faulty: list[str] = []
        if self.config.precision == "auto" and self.precision != torch.float32:
            size = self.config.batch_size
            if faulty := faulty_layers(self.model, self.x, size, self.precision):
                self.precision = torch.float32
        log.info(
            "%s: %d samples of %d features, likelihood %s, on %s in %s with %d threads%s",
            self.config.dataset.name,
            *self.x.shape,
            self.facts.likelihood,
            self.device,
            self.precision,
            torch.get_num_threads(),
            f" in each of {count()} processes" if count() > 1 else "",
        )
        if self.chosen and not self.config.model.on_samples:
            values = self.x.shape[0] * self.x.shape[1]
            log.info(
                "chosen for %d values, %s %d: %s",
                *(values, "fewer than" if values < SMALL_TABLE else "at least", SMALL_TABLE),
                ", ".join(f"{key}={value}" for key, value in self.chosen.items()),
            )
        for note in self.notes:
            log.warning("%s: %s", self.config.dataset.name, note)
        if faulty:
            log.warning(
                "precision: float32, because bfloat16 goes wrong on this machine in %s",
                ", ".join(faulty),
            )

    def scores(self, epoch: int, is_last: bool = False) -> dict[str, float]:
        """ACC, NMI and ARI of the model's clusters after an epoch, if ``score_every`` asks for it.

        Args:
            epoch: Number of epochs of joint training that are done.
            is_last: Whether no more epochs follow.
        """
        every = self.config.score_every
        if self.classes is None or not every or (epoch % every and not is_last):
            return {}
        labels = np.concatenate([part.labels for part in assign(self.model, self.x)])
        return clustering_metrics(self.classes, labels)

    def restore(self, stage: str) -> Held | None:
        """Loads the weights that a finished run has stored after a stage.

        Returns:
            The partition that is stored with them, or ``None``.

        Raises:
            InputError: The weights are missing, damaged, or of other data.
        """
        self.directory.check_weights()
        done = load_checkpoint(self.directory, stage, self.model, None, self.digest)
        if done is None:
            raise InputError(f"{self.directory.path} holds no weights: {stage}.pt is missing")
        sizes = len(self.x), self.config.n_clusters
        return held_of(done, *sizes, self.directory / f"{stage}.pt")

    def _untrained(self) -> MixtureVAE:
        config, facts = self.config, self.facts
        torch.manual_seed(config.seed)
        model = build_model(config, facts.shape, facts.likelihood).to(self.device)
        units = config.architecture.units
        if facts.likelihood == "normal" and units != "data":
            chosen = torch.from_numpy(subset(len(self.x), UNIT_SAMPLES, config.seed))
            model.set_units(self.x[chosen.to(self.device)], centered=units == "auto")
        return model

    def steps_of_a_pass(self) -> int:
        """Steps of a pass over the data: its batches, of which the last may be smaller."""
        return math.ceil(len(self.x) / self.config.batch_size)

    def trained_parameters(self) -> int:
        """Number of parameters of networks and mixture that the optimizer may change."""
        return sum(one.numel() for one in self.model.parameters() if one.requires_grad)

    def identity(self) -> dict[str, Any]:
        """What the result says about the run besides its figures."""
        return {
            "dataset": self.config.dataset.name,
            "model": self.config.model.name,
            "seed": self.config.seed,
            "n_clusters": self.config.n_clusters,
            **dict(zip(("samples", "features"), self.x.shape, strict=True)),
            "likelihood": self.facts.likelihood,
            "chosen": self.chosen,
            "dataset_digest": self.digest,
            "dataset_notes": list(self.notes),
            "command": self.directory.command,
            **surroundings(self.device, self.precision, self.commit),
            "processes": count(),
        }
