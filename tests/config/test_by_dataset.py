import pytest
from omegaconf import OmegaConf

import gammvae.config.by_dataset  # noqa: F401 - registers the resolver


@pytest.mark.parametrize(("dataset", "expected"), [("usps", 30), ("mnist", 140), ("file", 140)])
def test_a_value_for_a_dataset_and_one_for_all_others(dataset, expected):
    tree = {"dataset": {"name": dataset}, "deep": {"n": "${by_dataset:140,{usps:30}}"}}
    assert OmegaConf.create(tree).deep.n == expected


def test_values_may_be_lists_mappings_and_other_settings():
    values = "${by_dataset:${.rate},{usps:{momentum:0.9,betas:[0.5,1.0e-7]}}}"
    tree = {"dataset": {"name": "usps"}, "a": {"rate": 3, "b": values}}
    config = OmegaConf.create(tree)
    assert config.a.b == {"momentum": 0.9, "betas": [0.5, 1e-7]}
    config.dataset.name = "other"
    assert config.a.b == 3
