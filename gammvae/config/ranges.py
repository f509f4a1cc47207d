"""The valid values of each setting."""

from pathlib import Path

from gammvae.config.candidates import number_or_candidates
from gammvae.config.rules import Rule, at_least, between, matching, one_of, optional, positive

# The family and the method whose code is the user's.
OWN = "own"
# Settings that name a function of the user, as ``dataset.loader`` does.
CODE = ("architecture.layers", "augmentation.change", "model.latents", "model.peer")
# Of train.targets_every, if every batch has its own targets.
OF_BATCH = "batch"
REPARAMETERIZATIONS = {
    "gamma": (
        "normal_to_gamma",
        "wilson_hilferty",
        "wilson_hilferty_boosted",
        "marsaglia_tsang",
        "implicit",
    ),
    "normal": ("location_scale",),
    OWN: (OWN,),
}

# Every file in that folder is a method.
METHODS = tuple(
    sorted(path.stem for path in (Path(__file__).parents[1] / "training/methods").glob("[a-z]*.py"))
)

TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio")

KL_SCHEDULES = ("constant", "warmup", "cyclic")

# Upper bounds far beyond any practical value. Without them, a typing error could exhaust memory,
# run forever or overflow the integers of other libraries.
MOST_STEPS, MOST_SAMPLES, MOST_SEED = 10**9, 2**31 - 1, 2**31 - 1
MOST_WIDTH, MOST_LAYERS, MOST_LATENT, MOST_CLUSTERS, MOST_STARTS = 10**6, 1000, 10**4, 10**6, 10**4


def list_of(what: str, least: int, most: int) -> Rule:
    """A list of at least ``least`` sizes, each from 1 to ``most``."""
    return Rule(
        lambda sizes: (
            least <= len(sizes) <= MOST_LAYERS and all(1 <= size <= most for size in sizes)
        ),
        f"a list of {what} of at least 1 and at most {most}",
    )


# Of both optimizers. The learning rates of the one for all stages may be null: see config.sizing.
OPTIMIZER: dict[str, Rule] = {
    "optimizer.lr": positive(),
    "optimizer.mixture_lr": positive(),
    "optimizer.schedule": one_of("constant", "linear", "cosine", "step"),
    "optimizer.warmup": between(0, 1),
    "optimizer.step_factor": between(0, 1),
    "optimizer.step_epochs": at_least(1, MOST_STEPS),
    "optimizer.step_updates": optional(at_least(1, MOST_STEPS)),
    "optimizer.step_floor": between(0, 1),
    "optimizer.clip_grad_norm": optional(positive()),
}

RULES: dict[str, Rule] = {
    "n_clusters": number_or_candidates(MOST_CLUSTERS),  # before that of the data, which may be it
    "dataset.n_clusters": number_or_candidates(MOST_CLUSTERS),
    "dataset.likelihood": one_of("auto", "bernoulli", "normal"),
    "dataset.shape": optional(list_of("one or more sizes", 1, MOST_SAMPLES)),
    "dataset.index": optional(one_of("keep", "counting")),
    "dataset.channels": optional(one_of("first", "last")),
    "dataset.missing": one_of("refuse", "median", "drop"),
    "dataset.categorical": one_of("refuse", "onehot"),
    "dataset.network": optional(one_of("resnet18", "resnet50")),
    "model.family": one_of(*REPARAMETERIZATIONS),
    "model.gain": optional(at_least(0.5, 100)),
    "model.method": one_of(*METHODS),
    "model.space": one_of("samples", "samples_umap", "code", "umap"),
    "model.covariance": optional(one_of("full", "diag")),
    "model.components": optional(at_least(1, MOST_WIDTH)),
    "model.starts": optional(at_least(1, MOST_STARTS)),
    "model.center_rate": optional(between(0, 1)),
    "architecture.hidden": optional(list_of("layer widths", 0, MOST_WIDTH)),
    "architecture.channels": list_of("numbers of channels", 0, MOST_WIDTH),
    "architecture.latent_dim": at_least(1, MOST_LATENT),
    "architecture.units": one_of("auto", "data", "norm"),
    "architecture.weights": one_of("glorot", "fan_in", "normal"),
    "architecture.decoder_gain": positive(),
    **OPTIMIZER,
    "optimizer.lr": optional(positive()),
    "optimizer.mixture_lr": optional(positive()),
    **{f"train.{key}": rule for key, rule in OPTIMIZER.items()},
    "augmentation.degrees": between(0, 180),
    "augmentation.translate": between(0, 1),
    "augmentation.scale": between(0, 0.9),
    "augmentation.shear": between(0, 80),
    "augmentation.noise": between(0, 0.9),
    "init.start": one_of("manifold", "kmeans", "gmm", "labels"),
    "init.n_init": at_least(1, MOST_STARTS),
    "init.n_neighbors": at_least(1, MOST_SAMPLES),
    "init.resolution": optional(positive()),
    "init.doublings": between(0, 10),
    "init.halvings": between(0, 10),
    "init.stability": between(0, 1),
    "init.covariances": optional(positive()),
    "init.max_samples": at_least(2, MOST_SAMPLES),
    "init.max_iter": at_least(1, MOST_STEPS),
    "init.tol": at_least(0),
    "pretrain.epochs": optional(at_least(0, MOST_STEPS)),
    "pretrain.updates": optional(at_least(0, MOST_STEPS)),
    "pretrain.loss": one_of("likelihood", "squared_error", "scaled_error"),
    "pretrain.layers.epochs": optional(at_least(0, MOST_STEPS)),
    "pretrain.layers.updates": optional(at_least(0, MOST_STEPS)),
    "pretrain.layers.dropout": between(0, 0.9),
    "pretrain.kl_weight": at_least(0),
    "pretrain.kl_schedule": one_of(*KL_SCHEDULES),
    "train.epochs": optional(at_least(0, MOST_STEPS)),
    "train.updates": optional(at_least(0, MOST_STEPS)),
    "train.kl_weight": positive(),
    "train.kl_schedule": one_of(*KL_SCHEDULES),
    "train.anchored": between(0, 1),
    "train.rounds": at_least(1, MOST_STARTS),
    "train.agreement": at_least(0),
    "train.targets_every": optional(
        Rule(
            lambda value: value == OF_BATCH or (type(value) is int and 1 <= value <= MOST_STEPS),
            f"{OF_BATCH} or a whole number from 1 to {MOST_STEPS}",
        )
    ),
    "train.tolerance": optional(between(0, 1)),
    "preprocess": one_of("none", "standardize", "minmax", "l2", "tfidf"),
    "batch_size": at_least(1, MOST_SAMPLES),
    "seed": Rule(lambda seed: 0 <= seed <= MOST_SEED, f"an integer from 0 to {MOST_SEED}"),
    "device": matching(r"auto|cpu|mps|cuda(:\d+)?", "one of auto, cpu, cuda, cuda:N, mps"),
    "precision": one_of("auto", "float32", "bfloat16"),
    "compile": Rule(lambda value: value in ("auto", True, False), "one of auto, true, false"),
    "tracking": one_of("none", *TRACKERS),
    "score_every": at_least(0, MOST_STEPS),
}
