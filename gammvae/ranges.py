"""Which values every field of a configuration may have."""

import re

from gammvae.rules import Rule, at_least, between, one_of, optional, positive

REPARAMETERIZATIONS = {
    "gamma": ("wilson_hilferty", "wilson_hilferty_boosted", "marsaglia_tsang", "implicit"),
    "normal": ("location_scale",),
}

KL_SCHEDULES = ("constant", "warmup", "cyclic")

RULES: dict[str, Rule] = {
    "dataset.n_clusters": at_least(1),
    "dataset.likelihood": one_of("auto", "bernoulli", "normal"),
    "dataset.shape": optional(
        Rule(
            lambda shape: len(shape) > 0 and all(size >= 1 for size in shape),
            "a list of one or more sizes of at least 1",
        )
    ),
    "model.family": one_of(*REPARAMETERIZATIONS),
    "model.clusterer": optional(one_of("kmeans", "gmm", "dec", "idec")),
    "model.space": one_of("samples", "code", "umap"),
    "model.covariance": optional(one_of("full", "diag")),
    "model.components": optional(at_least(1)),
    "architecture.hidden": Rule(
        lambda sizes: all(size >= 1 for size in sizes),
        "a list of layer widths of at least 1",
    ),
    "architecture.channels": Rule(
        lambda sizes: all(size >= 1 for size in sizes),
        "a list of numbers of channels of at least 1",
    ),
    "architecture.latent_dim": at_least(1),
    "optimizer.lr": positive(),
    "optimizer.mixture_lr": positive(),
    "optimizer.schedule": one_of("constant", "linear", "cosine"),
    "optimizer.clip_grad_norm": optional(positive()),
    "augmentation.degrees": between(0, 180),
    "augmentation.translate": between(0, 1),
    "augmentation.scale": between(0, 0.9),
    "augmentation.shear": between(0, 80),
    "augmentation.noise": between(0, 0.9),
    "init.start": one_of("manifold", "kmeans", "gmm", "labels"),
    "init.n_init": at_least(1),
    "init.n_neighbors": at_least(1),
    "init.resolution": optional(positive()),
    "init.doublings": between(0, 10),
    "init.halvings": between(0, 10),
    "init.stability": between(0, 1),
    "init.covariances": optional(positive()),
    "init.max_samples": at_least(2),
    "init.max_iter": at_least(1),
    "init.tol": at_least(0),
    "pretrain.epochs": optional(at_least(0)),
    "pretrain.updates": at_least(0),
    "pretrain.kl_weight": at_least(0),
    "pretrain.kl_schedule": one_of(*KL_SCHEDULES),
    "train.epochs": optional(at_least(0)),
    "train.updates": at_least(0),
    "train.kl_weight": positive(),
    "train.kl_schedule": one_of(*KL_SCHEDULES),
    "train.anchored": between(0, 1),
    "train.rounds": at_least(1),
    "train.agreement": at_least(0),
    "n_clusters": at_least(1),
    "preprocess": one_of("none", "standardize", "minmax", "l2", "tfidf"),
    "batch_size": at_least(1),
    "seed": Rule(lambda seed: 0 <= seed < 2**31, "an integer from 0 to 2147483647"),
    "device": Rule(
        lambda device: re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device) is not None,
        "one of auto, cpu, cuda, cuda:N, mps",
    ),
    "precision": one_of("auto", "float32", "bfloat16"),
    "tracking": one_of("none", "tensorboard"),
}
