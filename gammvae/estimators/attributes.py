"""What a fitted estimator shows of its run; ``GammMVAE`` says what each attribute is."""

from typing import Any

import numpy as np
import torch

from gammvae.estimators.fitted import FittedRun
from gammvae.estimators.generating import decoded, weights_of
from gammvae.runs.trained import Trained


def attributes_of(run: FittedRun, device: str) -> dict[str, Any]:
    """The attributes of an estimator, by name.

    Args:
        run: Its run.
        device: Where to compute those of the mixture.

    Raises:
        InputError: A file of the run is damaged, or the device is not available.
    """
    result, directory = run.result, run.directory
    found = directory.read_assignments(result["samples"], result["n_clusters"])
    shown = {
        "n_clusters_": result["n_clusters"],
        "choice_": directory.read_choice(),
        "labels_": found["labels"],
        "cluster_sizes_": np.bincount(found["labels"], minlength=result["n_clusters"]),
        "_n_features_out": found["embedding"].shape[1],
        "result_": dict(result),
        "history_": directory.read_metrics(),
        "elbo_": result["metrics"].get("elbo"),
    }
    return shown | (of_mixture(run.trained(device)) if run.config.model.has_mixture else {})


@torch.no_grad()
def of_mixture(trained: Trained) -> dict[str, Any]:
    """Those of a mixture."""
    means = trained.model.prior().components.mean.cpu().numpy()
    return {
        "weights_": weights_of(trained),
        "means_": means,
        "cluster_centers_": decoded(trained, means),
    }
