"""One run of the method, readable from top to bottom as the algorithm.

Pretrain an autoencoder, initialize a mixture on its embeddings, train everything on the ELBO.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim import Optimizer

from gammvae.config.schema import Config, StageConfig, TrainConfig
from gammvae.data.loading import load_data
from gammvae.data.samples import samples_on, subset
from gammvae.devices import choose_device, peak_memory, surroundings
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments, evaluate
from gammvae.evaluation.metrics import used_clusters
from gammvae.initialization.anchor import Anchor, Held, spread
from gammvae.initialization.manifold import first_resolution, manifold_start
from gammvae.initialization.prior import fit_mixture, posteriors, set_prior, starting_labels
from gammvae.model.building import (
    build_augmentation,
    build_model,
    build_optimizer,
    number_of_epochs,
    read_labels,
)
from gammvae.report.html import write_report
from gammvae.report.subject import Subject, subject_of
from gammvae.runs.checkpoints import check_progress, held_of, load_checkpoint, save_checkpoint
from gammvae.runs.directory import ASSIGNMENTS, REPORT, RunDirectory
from gammvae.runs.npz import NpzWriter
from gammvae.runs.sharing import Pretrained
from gammvae.runs.stored import Result
from gammvae.runs.trained import keep_facts
from gammvae.training.loop import Stage, fit, warn_of_collapse
from gammvae.training.precision import choose_precision, faulty_layers
from gammvae.training.tracking import check_tracking, tracking

log = logging.getLogger(__name__)

# A checkpoint is due after this many seconds, and this many times what the last one took, so that
# saving costs 5 % at most.
CHECKPOINT_SECONDS, CHECKPOINT_RATIO = 2.0, 20.0
# Samples that mean and scale of the data are taken from.
UNIT_SAMPLES = 10_000


def run(config: Config, directory: RunDirectory, kind: "type[Experiment] | None" = None) -> Result:
    """Runs one experiment, or goes on where an interrupted one stopped, and returns its result.

    Args:
        config: What to run.
        directory: Where its files are.
        kind: The class of experiment; ``Experiment`` itself by default.

    Raises:
        InputError: Configuration, data or what is in the directory do not allow it.
        DivergenceError: Training left the finite numbers.
    """
    experiment = (kind or Experiment)(config, directory)
    with directory.open(config):
        experiment.introduce()
        experiment.pretrain()
        experiment.initialize()
        experiment.train()
        result = experiment.finish()
        if config.report:
            write_report([experiment.subject(result)], directory / REPORT)
        return result


def add_report(
    config: Config, directory: RunDirectory, kind: "type[Experiment]", result: Result
) -> None:
    """Writes the report of a finished run that lacks one: its process may have been killed.

    Raises:
        InputError: See ``Experiment.restore``.
    """
    experiment = kind(config, directory)
    with directory.open(config):
        experiment.restore()
        write_report([experiment.subject(result)], directory / REPORT)


class Experiment:
    """The stages of one run. Each is skipped if its outcome is already in the directory.

    Args:
        config: What to run.
        directory: Where its files are; not touched before the first stage.
    """

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        self.config = config
        self.directory = directory
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        check_tracking(config.tracking)
        data = load_data(config.dataset, config.preprocess, config.device)
        n_samples = data.rows.shape[0]
        if config.n_clusters > n_samples:
            raise InputError(
                f"n_clusters={config.n_clusters} exceeds the {n_samples} samples of "
                f"dataset {config.dataset.name}: every cluster needs at least one"
            )
        self.held: Held | None = None  # where SGVB begins
        given = config.init.labels
        self.given_labels = read_labels(given, n_samples, config.n_clusters) if given else None
        self.augment = build_augmentation(config.augmentation, data.facts.shape)
        torch.manual_seed(config.seed)
        self.model = build_model(config, data.facts.shape, data.facts.likelihood).to(self.device)
        build_optimizer(config, self.model)  # refuses bad arguments before anything is written
        self.x = samples_on(self.device, data.rows)
        if data.facts.likelihood == "normal":
            chosen = torch.from_numpy(subset(n_samples, UNIT_SAMPLES, config.seed))
            self.model.set_units(self.x[chosen.to(self.device)])
        self.classes, self.digest = data.y, data.digest
        self.facts, self.notes, self.filled = data.facts, data.notes, data.filled

    def introduce(self) -> None:
        """Says what is clustered and where, with all that should be known about the data.

        The precision is tried before, where it is not the user's choice.
        """
        faulty: list[str] = []
        if self.config.precision == "auto" and self.precision != torch.float32:
            size = self.config.batch_size
            if faulty := faulty_layers(self.model, self.x, size, self.precision):
                self.precision = torch.float32
        log.info(
            "%s: %d samples of %d features, likelihood %s, on %s in %s with %d threads",
            self.config.dataset.name,
            *self.x.shape,
            self.facts.likelihood,
            self.device,
            self.precision,
            torch.get_num_threads(),
        )
        for note in self.notes:
            log.warning("%s: %s", self.config.dataset.name, note)
        if faulty:
            log.warning(
                "precision: float32, because bfloat16 goes wrong on this machine in %s",
                ", ".join(faulty),
            )

    def pretrain(self) -> None:
        """Trains encoder and decoder on the reconstruction alone."""
        if (self.directory / "train.pt").exists():
            return
        stage = self.config.pretrain
        prior_is_trained = next(self.model.prior.parameters()).requires_grad
        surroundings = {
            "data": self.digest,
            "likelihood": self.facts.likelihood,
            "device": self.device.type,
            "precision": self.precision,
            "augmented": stage.augment and self.augment is not None,
            "trained prior": stage.kl_weight > 0 and prior_is_trained,
        }
        with Pretrained(self.config, surroundings).shared(self.directory):
            self._train("pretrain", stage)

    def initialize(self) -> None:
        """Fits the mixture to the posteriors of all samples, by coordinate ascent on the ELBO."""
        if (self.directory / "train.pt").exists():
            return
        began = time.perf_counter()
        config, n_clusters = self.config.init, self.config.n_clusters
        chosen = subset(len(self.x), config.max_samples, self.config.seed)
        index, seed = torch.from_numpy(chosen).to(self.device), self.config.seed
        q_z = posteriors(self.model, self.x, index)
        resolution = first_resolution(config, self.filled)
        graph = config.n_neighbors, resolution
        found: dict[str, Any] = {}
        starts: Iterable[NDArray[np.int64]]
        if self.given_labels is not None:
            starts = [self.given_labels[chosen]]
        elif config.start == "manifold":
            start = manifold_start(self.model, self.x, chosen, self.config, resolution)
            graph = start.n_neighbors, start.resolution
            starts, found = [start.labels], start._asdict()
            del found["labels"]
        else:
            embedding = q_z.mean.cpu().double().numpy()
            starts = starting_labels(config.start, embedding, n_clusters, config.n_init, seed)
        mixture, labels, history = fit_mixture(
            q_z, starts, n_clusters, max_iter=config.max_iter, tol=config.tol
        )
        set_prior(self.model, mixture)
        labels = spread(self.model, self.x, chosen, labels)
        self.held = Held(labels, *graph)
        sizes = np.bincount(mixture.log_resp.argmax(1), minlength=n_clusters)
        record = {
            **{"stage": "init", "epoch": 1},
            "kl": -(mixture.bound + q_z.entropy().mean().item()),
            "used_clusters": used_clusters(sizes),
            "bounds": [start.bound for start in history],
            "iterations": [start.n_iter for start in history],
            **found,
            "seconds": time.perf_counter() - began,
        }
        log.info(
            "init: KL %.2f nats from the best of %d starts, %d of %d clusters used, %.1f s",
            *(record["kl"], len(history), record["used_clusters"], n_clusters, record["seconds"]),
        )
        self.directory.append_metrics(record)
        self._save("train", 0, None)

    def train(self) -> None:
        """Trains networks and mixture together on the ELBO, ``q(c|x)`` first held, then free."""
        self._train("train", self.config.train)

    def finish(self) -> Result:
        """Clusters all samples, and writes assignments and result."""
        began = time.perf_counter()
        with NpzWriter(self.directory / ASSIGNMENTS, len(self.x)) as arrays:
            figures = self._evaluate(lambda part: arrays.append(part._asdict()))
            self.directory.write(ASSIGNMENTS, arrays.pack)
        keep_facts(self.directory, self.facts)
        seconds = self.directory.seconds_by_stage()
        result: Any = {
            **self._identity(),
            "metrics": figures,
            "seconds": seconds | {"evaluate": time.perf_counter() - began},
            "peak_memory_bytes": peak_memory(self.device),
        }
        self.directory.finish(result)
        return result

    def reevaluate(self) -> dict[str, Any]:
        """Recomputes the figures of the finished run from its weights; writes nothing."""
        self.restore()
        return {**self._identity(), "metrics": self._evaluate(lambda _: None)}

    def restore(self) -> None:
        """Takes the weights of the finished run.

        Raises:
            InputError: There are none, or they are damaged or of other data.
        """
        self.directory.check_weights()
        if load_checkpoint(self.directory, "train", self.model, None, self.digest) is None:
            raise InputError(f"{self.directory.path} holds no weights: train.pt is missing")

    def subject(self, result: Result) -> Subject:
        """What a report shows of the finished run, whose weights are at hand."""
        known = self.model, self.x, self.classes, self.facts
        return subject_of(self.directory, self.config, result, *known)

    def _evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        return evaluate(self.model, self.x, self.classes, self.config.seed, keep)

    def _identity(self) -> dict[str, Any]:
        return {
            "dataset": self.config.dataset.name,
            "model": self.config.model.name,
            "seed": self.config.seed,
            "n_clusters": self.config.n_clusters,
            **dict(zip(("samples", "features"), self.x.shape, strict=True)),
            "likelihood": self.facts.likelihood,
            "dataset_digest": self.digest,
            "dataset_notes": list(self.notes),
            "command": self.directory.command,
            **surroundings(self.device, self.precision),
        }

    def _train(self, name: str, config: StageConfig) -> None:
        optimizer = build_optimizer(self.config, self.model)
        epochs = number_of_epochs(config, len(self.x), self.config.batch_size)
        first_epoch = self._load(name, epochs, optimizer)
        stage = Stage(
            name,
            epochs,
            self.config.batch_size,
            config.kl_weight,
            config.kl_schedule,
            self.config.optimizer.schedule,
            self.config.optimizer.clip_grad_norm,
            self.precision,
            self.augment if config.augment else None,
        )
        anchor = None
        if isinstance(config, TrainConfig):
            stage, anchor = self._anchor(stage)
        if 0 < first_epoch == stage.epochs:
            return
        if first_epoch:
            log.info("%s goes on after epoch %d of %d", name, first_epoch, stage.epochs)
        used, saved, cost = self.config.n_clusters, time.perf_counter(), 0.0
        with tracking(self.config.tracking, self.directory.path, name, first_epoch) as track:
            for record in fit(self.model, self.x, stage, optimizer, first_epoch, anchor):
                self.directory.append_metrics(record)
                track(record)
                used = warn_of_collapse(record, self.config.n_clusters, used)
                if anchor is not None:
                    self.held = anchor.held
                now = time.perf_counter()
                if now - saved > max(CHECKPOINT_SECONDS, CHECKPOINT_RATIO * cost):
                    self._save(name, record["epoch"], optimizer)
                    saved, cost = (then := time.perf_counter()), then - now
        self._save(name, stage.epochs, None)

    def _anchor(self, stage: Stage) -> tuple[Stage, Any]:
        if self.held is None:
            raise InputError(f"{self.directory / 'train.pt'} is damaged: it holds no partition")
        anchor = Anchor(self.config, self.model, self.x, stage.epochs, self.held)
        return stage._replace(agreement=self.config.train.agreement), anchor

    def _load(self, stage: str, epochs: int, optimizer: Optimizer) -> int:
        sizes, path = (len(self.x), self.config.n_clusters), self.directory / f"{stage}.pt"
        try:
            done = load_checkpoint(self.directory, stage, self.model, optimizer, self.digest)
            if done is None:
                self.directory.write_metrics("")
                return 0
            self.held = held_of(done, *sizes, path)
            check_progress(done, stage, epochs, path)
        except InputError as error:
            raise InputError(f"{error}; without this file the stage begins anew") from error
        if done.metrics is None:  # of a version that left them to their file
            self.directory.drop_metrics(stage, done.epoch)
        else:
            self.directory.write_metrics(done.metrics)
        return done.epoch

    def _save(self, stage: str, epoch: int, optimizer: Optimizer | None) -> None:
        save_checkpoint(self.directory, stage, epoch, self.model, optimizer, self.digest, self.held)
