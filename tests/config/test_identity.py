from gammvae.config.identity import flatten, identity
from tests.conftest import compose_config


def test_identity_leaves_out_what_cannot_change_the_result():
    same = compose_config("device=cpu", "dataset.root=there", "overwrite=true", "run_dir=x")
    assert identity(same) == identity(compose_config())
    assert identity(compose_config("seed=1")) != identity(compose_config())
    assert identity(compose_config())["optimizer.arguments.betas"] == [0.9, 0.999]


def test_flatten_reaches_every_leaf():
    tree = {"a": 1, "b": {"c": [1], "d": {}}, "e": None}
    assert dict(flatten(tree)) == {"a": 1, "b.c": [1], "b.d": {}, "e": None}
