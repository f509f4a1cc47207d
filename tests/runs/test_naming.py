from pathlib import Path

from gammvae.runs.naming import run_path
from tests.conftest import compose_config

CHOICES = {"dataset": "digits", "model": "vade"}


def path_of(*overrides):
    return run_path(compose_config(*overrides), CHOICES, overrides)


def test_the_path_names_dataset_model_other_overrides_and_seed():
    assert path_of() == Path("outputs/digits/vade/seed=0")
    assert path_of("dataset=digits", "seed=3", "device=cpu", "overwrite=true") == Path(
        "outputs/digits/vade/seed=3"
    )
    both = path_of("train.epochs=3", "batch_size=64")
    assert both == Path("outputs/digits/vade/batch_size=64,train.epochs=3/seed=0")
    assert both == path_of("batch_size=64", "train.epochs=3")
    assert path_of("output_root=there").parts[0] == "there"


def test_overrides_that_make_no_file_name_stay_apart():
    first = path_of("init=labels", "init.labels=/a/b.npy")
    second = path_of("init=labels", "init.labels=/a_b.npy")
    assert len(first.parts) == len(second.parts) == 5
    assert first != second
    long = [f"+optimizer.arguments.{'x' * 80}{i}=1" for i in range(4)]
    name = run_path(compose_config(), CHOICES, long).parts[3]
    assert len(name) < 140
