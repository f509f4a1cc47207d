import numpy as np
import pytest
import torch

from gammvae.initialization import anchor
from gammvae.initialization.anchor import Anchor, Held, held_epochs, spread
from gammvae.initialization.graph import Partition
from tests.conftest import compose_config
from tests.model.test_vae import build

N = 90


@pytest.fixture
def renewals(monkeypatch):
    """What the graph is asked for, and answers: every label one up."""
    calls = []

    def graph(points, n_neighbors, resolution, device):
        assert (len(points), n_neighbors, resolution, device.type) == (N, 7, 0.5, "cpu")
        return "graph"

    def refine(graph, labels, n_clusters, rng):
        assert graph == "graph"
        calls.append(rng.bit_generator.seed_seq.entropy)
        return Partition((labels + 1) % n_clusters, 0.0)

    monkeypatch.setattr(anchor, "neighbor_graph", graph)
    monkeypatch.setattr(anchor, "refine", refine)
    return calls


def anchored(epochs, *overrides):
    config = compose_config("n_clusters=3", "seed=100", *overrides)
    model, x = build("implicit"), torch.rand(N, 6)
    return Anchor(config, model, x, epochs, Held(np.arange(N) % 3, 7, 0.5))


def test_labels_are_held_renewed_and_let_go(renewals):
    held = anchored(20, "train.anchored=0.6", "train.rounds=3")
    seen = [held(epoch) for epoch in range(20)]
    assert [labels is None for labels in seen] == [False] * 12 + [True] * 8
    start = torch.arange(N) % 3
    for epoch, labels in enumerate(seen[:12]):
        assert torch.equal(labels, (start + epoch // 4) % 3)
    assert renewals == [104, 108]


@pytest.mark.parametrize(
    ("share", "epochs", "held"),
    [(0, 9, 0), (1, 9, 9), (0.7, 10, 7), (0.01, 9, 1), (0.99, 9, 8), (0.7, 1, 1), (0.7, 0, 0)],
)
def test_a_share_leaves_epochs_of_both_kinds_if_there_can_be(share, epochs, held):
    assert held_epochs(share, epochs) == held


def test_nothing_is_held_without_an_anchor(renewals):
    held = anchored(5, "train.anchored=0")
    assert [held(epoch) for epoch in range(5)] == [None] * 5
    assert renewals == []


def test_more_rounds_than_epochs_renew_every_epoch_but_the_first(renewals):
    held = anchored(3, "train.anchored=1", "train.rounds=9")
    for epoch in range(3):
        held(epoch)
    assert renewals == [101, 102]


def test_a_resumed_stage_renews_at_the_same_epochs(renewals):
    whole = anchored(6, "train.anchored=1", "train.rounds=3")
    for epoch in range(4):
        whole(epoch)
    resumed = anchored(6, "train.anchored=1", "train.rounds=3")
    resumed.held = whole.held
    assert renewals == [102]
    for epoch in (4, 5):
        assert torch.equal(resumed(epoch), whole(epoch))
    assert renewals == [102, 104, 104]


def test_samples_outside_the_graph_get_the_models_cluster():
    model, x = build("implicit"), torch.rand(N, 6)
    chosen = np.array([3, 40, 41])
    labels = spread(model, x, chosen, np.array([2, 0, 2]))
    predicted = model.predict(x).logits.argmax(-1).numpy()
    predicted[chosen] = [2, 0, 2]
    assert (labels == predicted).all()
    assert spread(model, x, np.arange(N), predicted) is predicted
