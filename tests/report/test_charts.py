import re

from gammvae.report.charts import curves
from gammvae.report.html import units

LAYERS = [
    {"stage": "pretrain", "epoch": epoch, "layer": 1, "reconstruction": -90.0 - epoch}
    for epoch in range(1, 41)
]
WHOLE = [
    {"stage": "pretrain", "epoch": epoch, "reconstruction": -1.0 / epoch} for epoch in range(41, 50)
]


def words(drawing):
    return set(re.findall(r"<text[^>]*>([^<]+)</text>", drawing))


def test_the_errors_of_single_layers_are_not_drawn_beside_those_of_the_samples():
    whole = curves([*LAYERS, *WHOLE], "pretrain", "negative squared error")
    assert whole == curves(WHOLE, "pretrain", "negative squared error")
    assert {"negative squared error", "epoch", "pretrain", "reconstruction"} <= words(whole)
    assert "48" in words(whole)
    assert not {"10", "20"} & words(whole)


def test_layers_are_drawn_if_nothing_else_was_trained():
    assert {"10", "20", "nats per sample"} <= words(curves(LAYERS, "pretrain", "nats per sample"))


def test_terms_are_in_nats_only_where_they_form_a_bound():
    trained = {"stage": "train", "epoch": 1, "reconstruction": -2.0, "kl_z": 1.0}
    assert units("squared_error", [*WHOLE, trained | {"elbo": None}]) == {
        "pretrain": "negative mean squared error",
        "train": "terms of the objective",
    }
    assert units("likelihood", [trained | {"elbo": -3.0}]) == {"train": "nats per sample"}
