import json

import pytest
import yaml

from gammvae.errors import InputError
from gammvae.tables.results import EFFORT, cell, collect, grouped
from tests.conftest import a_result


def write_run(root, dataset, model, seed, acc=None, variant="", **changes):
    """A run directory with what a table needs of it; unfinished without an accuracy."""
    path = root / dataset / model / variant / f"seed={seed}"
    path.mkdir(parents=True)
    config = {
        "dataset": {"name": dataset, "path": changes.pop("path", None), "root": str(root)},
        "model": {"name": model},
        "seed": seed,
        "batch_size": changes.pop("batch_size", 256),
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    if acc is not None:
        result = a_result(dataset=dataset, model=model, seed=seed)
        result["metrics"] |= {"acc": acc, "nmi": acc / 2}
        result["versions"]["torch"] = changes.pop("torch", "2.15")
        result["dataset_digest"] = changes.pop("digest", "d")
        for name in ("device", "precision", "threads"):
            result[name] = changes.pop(name, result[name])
        result |= changes.pop("effort", {})
        (path / "result.json").write_text(json.dumps(result))
    assert not changes
    return path


def test_runs_are_grouped_by_what_their_folders_say(tmp_path):
    write_run(tmp_path, "usps", "vade", 0, 0.5)
    write_run(tmp_path, "usps", "vade", 1, 0.7)
    write_run(tmp_path, "usps", "vade", 0, 0.9, variant="train.epochs=5")
    write_run(tmp_path, "mnist", "vade", 0)
    cells = grouped(collect([tmp_path]))
    assert set(cells) == {
        ("vade", "usps"),
        ("vade train.epochs=5", "usps"),
        ("vade", "mnist"),
    }
    found = cell(cells["vade", "usps"], "acc")
    assert found.values == {0: 0.5, 1: 0.7}
    assert found.mean == pytest.approx(0.6)
    assert found.std == pytest.approx(0.2 / 2**0.5)
    assert found.standard_error == pytest.approx(0.1)
    assert cell(cells["vade", "usps"], "seconds").mean == 3
    assert cell(cells["vade", "usps"], "silhouette") is None
    assert cell(cells["vade", "mnist"], "acc") is None


def test_what_a_run_took(tmp_path):
    effort = {"epochs": {"pretrain": 30, "train": 20}, "steps": {"pretrain": 300, "train": 200}}
    write_run(tmp_path, "usps", "vade", 0, 0.5, effort=effort | {"parameters": 1234567})
    write_run(tmp_path, "usps", "dec", 0, 0.5)  # of an earlier version
    new, old = (grouped(collect([tmp_path]))[row, "usps"] for row in ("vade", "dec"))
    taken = [cell(new, name).mean for name in EFFORT]
    assert taken == [3, 50, 30, 20, 500, 1234567, 2]
    assert [cell(old, name) is None for name in EFFORT] == [False, *5 * [True], False]


def test_a_setting_that_one_run_lacks_is_told_from_one_that_is_null(tmp_path):
    write_run(tmp_path, "usps", "vade", 0, 0.5)
    path = write_run(tmp_path, "usps", "vade", 1, 0.6)
    config = yaml.safe_load((path / "config.yaml").read_text()) | {"init": {"covariances": None}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="init.covariances is not given in .* and None in "):
        grouped(collect([tmp_path]))


def test_a_users_files_are_columns_of_their_own(tmp_path):
    write_run(tmp_path, "file", "vade", 0, 0.5, path="/a/cells.npy")
    write_run(tmp_path, "file", "vade", 0, 0.5, path="/a/other.npy", variant="x")
    assert {dataset for _, dataset in grouped(collect([tmp_path]))} == {
        "file cells.npy",
        "file other.npy",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"torch": "2.16"}, "versions.torch is 2.15 in .* and 2.16 in "),
        ({"digest": "e"}, "dataset_digest is d in .* and e in "),
        ({"batch_size": 64}, "batch_size is 256 in .* and 64 in "),
    ],
)
def test_what_cannot_be_averaged_is_refused(tmp_path, change, message):
    write_run(tmp_path, "usps", "vade", 0, 0.5)
    write_run(tmp_path, "usps", "vade", 1, 0.6, **change)
    with pytest.raises(InputError, match=message):
        grouped(collect([tmp_path]))


def test_the_same_seed_twice_is_refused(tmp_path):
    for folder in ("a", "b"):
        write_run(tmp_path / folder, "usps", "vade", 0, 0.5)
    with pytest.raises(InputError, match="vade on usps has two runs of seed 0: .*/a/.* and .*/b/"):
        grouped(collect([tmp_path / "a", tmp_path / "b"]))


def test_the_folder_s_place_does_not_matter(tmp_path):
    write_run(tmp_path / "a", "usps", "vade", 0, 0.5)
    write_run(tmp_path / "b", "usps", "vade", 1, 0.5)  # dataset.root differs
    (members,) = grouped(collect([tmp_path / "a", tmp_path / "b"])).values()
    assert [run.seed for run in members] == [0, 1]


def test_a_configuration_of_another_run_is_refused(tmp_path):
    path = write_run(tmp_path, "usps", "vade", 0, 0.5)
    tree = yaml.safe_load((path / "config.yaml").read_text())
    (path / "config.yaml").write_text(yaml.safe_dump(tree | {"model": {"name": "gammvae"}}))
    with pytest.raises(InputError, match="config.yaml has model=gammvae, but result.json .*vade"):
        collect([tmp_path])


def test_why_a_run_is_not_finished(tmp_path):
    path = write_run(tmp_path, "usps", "vade", 0)
    assert collect([tmp_path])[0].reason == "not finished"
    (path / "status.json").write_text(json.dumps({"status": "failed", "reason": "disk full"}))
    assert collect([tmp_path])[0].reason == "failed: disk full"


def test_folders_without_runs_and_damaged_files_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere is no folder"):
        collect([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="holds no runs"):
        collect([tmp_path])
    path = write_run(tmp_path, "usps", "vade", 0, 0.5)
    (path / "result.json").write_text("{")
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        collect([tmp_path])
    (path / "config.yaml").write_text("a: 1")
    with pytest.raises(InputError, match=r"config\.yaml is damaged"):
        collect([tmp_path])
