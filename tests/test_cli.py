import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

import gammvae.training.stages
from gammvae import __version__
from gammvae.cli import main as cli
from gammvae.cli.terminal import flags_first
from tests.conftest import TINY, a_result, compose_config

SMOKE = ("train", *TINY, "experiment=smoke", "device=cpu")


def one_line(result, code=2):
    """The message of a refused call, after checking that it is all there is to see."""
    assert result.returncode == code, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("gammvae: ")
    assert result.stdout == ""
    return lines[0]


def test_help_and_version_load_nothing_heavy():
    program = (
        "import sys, gammvae.cli.main as c; sys.argv[1:] = [{!r}]; c.main();"
        "heavy = {{'torch', 'hydra', 'omegaconf', 'numpy', 'sklearn'}} & sys.modules.keys();"
        "assert not heavy, heavy"
    )
    for flag, expected in [("--help", ["train", "evaluate"]), ("--version", [__version__])]:
        result = subprocess.run(
            [sys.executable, "-c", program.format(flag)], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert all(word in result.stdout for word in expected)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run, made by the command, and what the command printed."""
    folder = tmp_path_factory.mktemp("finished")
    command = [sys.executable, "-m", "gammvae", *SMOKE, "run_dir=run"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder, result


def test_train_ends_in_a_table(finished):
    folder, result = finished
    header, _, figures, path = result.stdout.splitlines()
    assert header.split()[:6] == ["dataset", "model", "seed", "ACC", "NMI", "ARI"]
    assert figures.split()[:3] == ["digits", "gammvae", "0"]
    assert all(-1 <= float(cell) <= 1 for cell in figures.split()[3:6])
    assert path == "run"
    # not a terminal: plain lines, no bar
    assert "pretrain epoch 2/2: reconstruction" in result.stderr
    assert "\r" not in result.stderr
    assert [p.name for p in folder.iterdir()] == ["run"]


def copied(finished, tmp_path):
    shutil.copytree(finished[0] / "run", tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_run_is_reported_and_not_repeated(finished, tmp_path, gammvae):
    run = copied(finished, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    result = gammvae(*SMOKE, "run_dir=run")
    assert result.returncode == 0
    assert result.stdout.splitlines()[1:] == finished[1].stdout.splitlines()
    assert "is finished" in result.stdout
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_evaluate_agrees_exactly(finished, tmp_path, gammvae):
    copied(finished, tmp_path)
    result = gammvae("evaluate", "run", "device=cpu")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "all figures agree"
    assert "acc" in result.stdout


def test_evaluate_shows_what_differs(finished, tmp_path, gammvae):
    run = copied(finished, tmp_path)
    text = (run / "result.json").read_text()
    (run / "result.json").write_text(text.replace('"acc": 0.', '"acc": 0.0'))
    assert "run/result.json is damaged or was changed" in one_line(gammvae("evaluate", "run"))
    (run / "digests.json").unlink()  # as of versions that kept none
    result = gammvae("evaluate", "run")
    assert "1 of 14 figures differ; both were computed on cpu with 1 threads" in result.stdout
    changed = (run / "result.json").read_text().replace('"threads": 1', '"threads": 64')
    (run / "result.json").write_text(changed)
    result = gammvae("evaluate", "run")
    assert "the run was computed on cpu with 64 threads" in result.stdout


def test_every_job_of_a_sweep_has_its_own_run_and_a_repeated_sweep_skips(tmp_path, gammvae):
    sweep = (*SMOKE, "-m", "seed=0,1", "model=gammvae,vade")
    result = gammvae(*sweep)
    assert result.returncode == 0, result.stderr
    runs = sorted(path.parent for path in (tmp_path / "outputs").rglob("result.json"))
    assert [(run.parts[-3], run.name) for run in runs] == [
        (model, f"seed={seed}") for model in ("gammvae", "vade") for seed in (0, 1)
    ]
    assert result.stdout.count("best ELBO: seed ") == 2
    assert result.stdout.count("the 2 seeds agree to a mean ARI of ") == 2
    written = [(run / "result.json").stat().st_mtime_ns for run in runs]
    assert gammvae(*sweep).stdout.count("is finished") == 4
    assert [(run / "result.json").stat().st_mtime_ns for run in runs] == written


def test_a_finished_run_is_not_reported_for_a_file_that_changed(tmp_path, in_process):
    call = (*SMOKE, "dataset=file", "dataset.path=x.npy", "n_clusters=2", "run_dir=run")
    x = np.random.default_rng(0).normal(size=(30, 4))
    np.save(tmp_path / "x.npy", x)
    assert in_process(*call).returncode == 0
    assert "run is finished" in in_process(*call).stdout
    np.save(tmp_path / "x.npy", x + 1)
    assert "dataset.path=x.npy is not what the finished run was" in one_line(in_process(*call))
    (tmp_path / "x.npy").unlink()
    assert "run is finished" in in_process(*call).stdout


def test_datasets_are_listed_checked_and_fetched(in_process):
    listed = in_process("datasets")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[2:]] == [
        *("digits", "fashion_mnist", "hhar", "mnist", "reuters10k", "stl10", "usps"),
    ]
    assert "digits is in order" in in_process("datasets", "check", "digits").stdout
    assert "digits is ready: 1,797 samples" in in_process("datasets", "fetch", "digits").stdout
    mirror = ("dataset.mirror=http://127.0.0.1:9", "dataset.root=there")
    message = one_line(in_process("datasets", "fetch", "usps", *mirror))
    assert "the download failed: http://127.0.0.1:9/usps/usps.bz2: " in message


def test_cfg_job_shows_the_configuration_and_runs_nothing(tmp_path, gammvae):
    result = gammvae("train", "dataset=usps", "--cfg", "job", "--resolve")
    assert result.returncode == 0
    config = yaml.safe_load(result.stdout)
    assert config["dataset"]["root"] == str(tmp_path / "data")
    assert config["architecture"]["hidden"] == [500, 500, 2000]
    assert config["n_clusters"] == 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ("a=1 -m b=2", "-m a=1 b=2"),
        ("a=1 --config-dir x=y/mine b=2", "--config-dir x=y/mine a=1 b=2"),
        ("--cfg job a=1", "--cfg job a=1"),
        ("-m", "-m"),
    ],
)
def test_overrides_and_flags_may_be_mixed(given, ordered):
    assert flags_first(given.split()) == ordered.split()


def test_train_help_names_the_groups(gammvae):
    text = gammvae("train", "--help").stdout
    assert "gammvae train" in text
    assert "dataset: digits, fashion_mnist, features, file, folder, hhar, mnist, reuters10k" in text


def test_a_users_own_dataset_runs_from_a_config_dir(tmp_path, gammvae):
    (tmp_path / "mine" / "dataset").mkdir(parents=True)
    (tmp_path / "mine" / "dataset" / "blobs.yaml").write_text(
        "name: blobs\nn_clusters: 3\nlikelihood: normal\nloader:\n  _target_: blobs.load\n  n: 90\n"
    )
    (tmp_path / "blobs.py").write_text(
        "import numpy as np\nfrom gammvae.data.dataset import Dataset\n"
        "def load(n):\n"
        "    y = np.arange(n) % 3\n"
        "    x = np.eye(3, 5)[y] * 4 + np.random.default_rng(0).normal(size=(n, 5))\n"
        "    return Dataset(x.astype(np.float32), y, (5,))\n"
    )
    result = gammvae(
        *SMOKE, "--config-dir", "mine", "dataset=blobs", PYTHONPATH=f"{tmp_path}:{Path.cwd()}"
    )
    assert result.returncode == 0, result.stderr
    assert list((tmp_path / "outputs" / "blobs").rglob("result.json"))


OWN = "train dataset.about.samples=null dataset.about.features=null dataset.loader._target_"

# What follows `train dataset=file n_clusters=2`.
FILE_CALLS = {
    "dataset.path=x.npy": "dataset.path=x.npy does not exist",
    "dataset.path=thesis": "dataset.path=thesis is not a file",
    "dataset.path=file.txt": "dataset.path=file.txt is of unknown kind: it must end in .npy",
    "dataset.path=nan.npy": "has the value nan in sample 3, feature 1: all values must be finite",
    "dataset.path=equal.npy": "has 10 equal samples",
    "dataset.path=one.npy": "samples of shape (1, 4): clustering",
    "dataset.path=narrow.npy": "samples of shape (10, 1): clustering needs at least 2",
    "dataset.path=huge.npy": "has the value 1e+300 in sample 0, feature 0",
    "dataset.path=good.npy dataset.labels=one.npy": "labels=one.npy has the shape (1, 4)",
    "dataset.path=good.npy dataset.shape=[3]": "dataset.shape=[3] does not suit good.npy",
    "dataset.path=good.npy dataset.shape=[]": "dataset.shape=[] is out of range",
    "dataset.path=good.npy preprocess=tfidf": "tfidf needs counts",
    "dataset.path=good.npy preprocess=pca": "preprocess=pca is out of range: it must be",
    "dataset.path=good.npy dataset.likelihood=bernoulli": "likelihood needs values in [0, 1]",
}


def names(group):
    """The first names of a group of the configuration."""
    folder = Path(__file__).parents[1] / "conf" / group
    return ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))[:5])


BAD_CALLS = {
    # commands
    "trian": "unknown command 'trian': did you mean train? it must be train, evaluate",
    "--verbose": "unknown command '--verbose'",
    "evaluate": "evaluate needs a run directory",
    "evaluate device=cpu": "evaluate needs a run directory",
    "evaluate nowhere": "nowhere is not a finished run: no result.json in it",
    "evaluate file.txt": "file.txt is not a finished run: no result.json in it",
    "evaluate run seed=3": "seed=3 cannot be set: it must be one of device, dataset.root",
    "evaluate run device=tpu": "device=tpu is out of range: it must be one of auto, cpu",
    # unknown names
    "train dataset=cifar": "unknown option dataset=cifar: dataset has " + names("dataset"),
    "train model=gan": f"model has {names('model')}",
    "train architecture=transformer": f"architecture has {names('architecture')}",
    "train optimizer=lion": f"optimizer has {names('optimizer')}",
    "train init=spectral": "unknown option init=spectral: init has gmm, kmeans, labels",
    "train experiment=paper": "experiment has dcn_2017, dcn_2025, dec_2016, dec_2016_layers",
    "train train.epoch=3": "train.epoch: did you mean epochs? train has agreement, anchored",
    "train lr=3": "unknown option lr: train has architecture, augmentation, batch_size",
    "train optimizer.rate=3": "unknown option optimizer.rate: optimizer has arguments",
    "train optimizer.arguments.beta=3": "did you mean betas? optimizer.arguments has betas, eps; +",
    "train architecture.layers={_target_:a.b}": "architecture.layers cannot be given in braces: +",
    "train +color=red": "unknown option color: train has architecture",
    "train epochs": "epochs cannot be parsed: a setting has the form KEY=VALUE",
    "train dataset.path=x(1).npy": """with quotes it reads 'dataset.path="x(1).npy"'""",
    "train --epochs=3": "unrecognized arguments: --epochs=3; settings have no dashes, as in",
    "train --config-dir nowhere": "nowhere",
    "train --config-name mine": "mine",
    # types
    "train seed=abc": "seed=abc is of the wrong type: it must be an integer",
    "train seed=1.5": "seed=1.5 is of the wrong type: it must be an integer",
    "train batch_size=many": "it must be an integer",
    "train optimizer.lr=fast": "fast is of the wrong type: it must be null or a number",
    "train architecture.hidden=[a]": "it must be null or a list of integers in brackets",
    "train architecture.hidden=3": "architecture.hidden=3",
    "train overwrite=perhaps": "overwrite=perhaps is of the wrong type: it must be true or false",
    "train augmentation=3": "augmentation=3 is the name of no option: it must be one, as in "
    "augmentation=affine",
    "train -m model=vae,7": "7 in model=vae,7 is the name of no option: it must be one, as in m",
    "train +optimizer@train.optimizer=null": "as in +optimizer@train.optimizer=adam",
    "search start init=[kmeans]": "init=[kmeans] is the name of no option: it must be one, as",
    "train model=": "model= is the name of no option: it must be one, as in model=ae_gmm",
    "train hydra/launcher=3": "it must be one, as in hydra/launcher=joblib",
    "train optimizer={lr:}": "cannot be parsed: settings in braces have the form {NAME:VALUE}",
    "train pretrain.layers=3": "pretrain.layers=3 is of the wrong type: pretrain.layers is a "
    "section, with the settings pretrain.layers.dropout, pretrain.layers.epochs, pretrain",
    "train pretrain.layers={epoch:1}": "pretrain.layers.epoch: did you mean epochs? pretrain.layer",
    "train pretrain.layers={epochs:1.5}": "pretrain.layers.epochs=1.5 is of the wrong type: it mus",
    "train optimizer={rate:3}": "unknown option optimizer.rate: optimizer has arguments, clip_grad",
    "train seed=": "seed",
    # ranges and rules between fields
    "train seed=-1": "seed=-1 is out of range: it must be an integer from 0 to 2147483647",
    "train batch_size=0": "batch_size=0 is out of range: it must be a number of at least 1",
    "train n_clusters=0": "n_clusters=0 is out of range",
    "train n_clusters=1798": "n_clusters=1798 exceeds the 1797 samples of dataset digits",
    "train optimizer.lr=0": "optimizer.lr=0.0 is out of range: it must be null or a positive",
    "train optimizer.lr=nan": "optimizer.lr=nan is out of range",
    "train precision=float16": "precision=float16 is out of range: it must be one of auto, float32",
    "train device=gpu": "device=gpu is out of range: it must be one of auto, cpu, cuda, cuda:N",
    "train device=cuda:99": "device=cuda:99 is not available: this machine has ",
    "train model.reparameterization=exact": "must be one of normal_to_gamma, ",
    "train optimizer.name=Adamant": "optimizer.name=Adamant is unknown",
    "train optimizer.arguments.betas=[2,2]": "do not suit Adam: Invalid beta parameter",
    "train +optimizer.arguments.gain=1": "do not suit Adam: ",
    "train init=labels init.labels=nothing.npy": "init.labels=nothing.npy cannot be used",
    "train init=labels init.labels=file.txt": "init.labels=file.txt cannot be used",
    # datasets
    "datasets frobnicate": "unknown action 'frobnicate': it must be list, fetch or check",
    "datasets fetch": "datasets fetch needs a name",
    "datasets check": "datasets check needs a name",
    "datasets check cifar": "unknown option dataset=cifar: dataset has digits",
    "datasets check mnist": "train-images-idx3-ubyte is missing and dataset.download=false",
    "datasets check usps dataset.root=damaged": "damaged/USPS/usps.bz2 is damaged",
    "datasets --config-dir nowhere": "--config-dir nowhere is not a folder",
    "datasets --config-dir": "argument --config-dir/-cd: expected one argument",
    "datasets list dataset.rot=x": "unknown option dataset.rot: did you mean root? dataset has",
    # data
    **{f"train dataset=file n_clusters=2 {call}": text for call, text in FILE_CALLS.items()},
    "train dataset=file": "n_clusters is missing: n_clusters=VALUE must be given",
    "train dataset=file n_clusters=2": "dataset.path is missing",
    "train dataset=file n_clusters=11 dataset.path=good.npy": "exceeds the 10 samples of dataset",
    "train dataset=digits dataset.path=good.npy": "dataset.path=good.npy has no use: ",
    "train dataset=mnist dataset.download=false": "train-images-idx3-ubyte is missing and",
    "train dataset=usps dataset.download=false": "usps.bz2 is missing and dataset.download=false",
    "train dataset=usps dataset.root=damaged": "damaged/USPS/usps.bz2 is damaged",
    "train dataset=mnist dataset.root=damaged": "train-images-idx3-ubyte is not the published",
    "train dataset.loader._target_=os.nothing": "_target_=os.nothing cannot be imported",
    "train +dataset.loader.size=3": "unexpected keyword argument 'size'",
    f"{OWN}=tests.test_cli.not_finite": "has the value nan in sample 1",
    f"{OWN}=tests.test_cli.too_large": "values from 2 to 3: a bernoulli",
    # folders
    "train output_root=file.txt": "file.txt",
    "train run_dir=file.txt/run": "file.txt",
    "train output_root=/proc/runs": "/proc/runs/digits/gammvae/seed=0 cannot be written: ",
    "train run_dir=thesis": "thesis is not a run directory: it holds thesis.tex",
    "train -m seed=0,1 output_root=file.txt": "file.txt",
}


def not_finite():
    from gammvae.data.dataset import Dataset

    return Dataset(np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32), None, (2,))


def too_large():
    from gammvae.data.dataset import Dataset

    return Dataset(np.full((20, 3), 2, np.float32) + np.eye(20, 3, dtype=np.float32), None, (3,))


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_input_gets_one_line_and_exit_code_2_and_writes_nothing(call, tmp_path, in_process):
    check_refused(call, tmp_path, in_process)


@pytest.mark.slow
@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_input_is_refused_in_a_process_of_its_own(call, tmp_path, gammvae):
    repository = str(Path(__file__).parents[1])
    check_refused(call, tmp_path, lambda *arguments: gammvae(*arguments, PYTHONPATH=repository))


def check_refused(call, tmp_path, run):
    (tmp_path / "file.txt").write_text("not a folder")
    good = np.random.default_rng(0).normal(size=(10, 4))
    np.save(tmp_path / "good.npy", good)
    np.save(tmp_path / "nan.npy", np.where(np.arange(40).reshape(10, 4) == 13, np.nan, good))
    np.save(tmp_path / "equal.npy", np.ones((10, 4)))
    np.save(tmp_path / "one.npy", good[:1])
    np.save(tmp_path / "narrow.npy", good[:, :1])
    np.save(tmp_path / "huge.npy", np.where(good == good[0, 0], 1e300, good))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("mine")
    (tmp_path / "damaged" / "USPS").mkdir(parents=True)
    (tmp_path / "damaged" / "USPS" / "usps.bz2").write_bytes(b"BZh91AY")
    (tmp_path / "damaged" / "MNIST" / "raw").mkdir(parents=True)
    for file in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "damaged" / "MNIST" / "raw" / f"{file}-ubyte").write_bytes(b"")
    if call.startswith("evaluate run"):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "result.json").write_text(json.dumps(a_result()))
        config = OmegaConf.create(dataclasses.asdict(compose_config()))
        (tmp_path / "run" / "config.yaml").write_text(OmegaConf.to_yaml(config))
    before = sorted(path for path in tmp_path.rglob("*") if path.name != ".lock")
    message = one_line(run(*call.split()))
    assert BAD_CALLS[call] in message
    assert sorted(path for path in tmp_path.rglob("*") if path.name != ".lock") == before


BAD_RUNS = {
    "train.pt": [b"", b"PK\x03\x04 half", b"weights"],
    "result.json": [b"", b"{"],
    "config.yaml": [b"", b"seed: abc"],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name in BAD_RUNS for content in BAD_RUNS[name]]
)
def test_a_damaged_run_is_refused_by_the_name_of_the_file(
    finished, tmp_path, in_process, name, content
):
    run = copied(finished, tmp_path)
    (run / name).write_bytes(content)
    assert f"run/{name} is damaged" in one_line(in_process("evaluate", "run"))
    if name == "train.pt":  # a finished run is reported without it
        (run / "result.json").unlink()
    result = in_process(*SMOKE, "run_dir=run")
    assert "Traceback" not in result.stderr
    assert f"run/{name} is damaged" in result.stderr
    if name == "result.json":
        assert result.returncode == 0
        assert in_process("evaluate", "run").stdout.endswith("all figures agree\n")
    else:
        assert result.returncode == 2


def test_another_configuration_in_the_same_folder_is_refused(finished, tmp_path, in_process):
    copied(finished, tmp_path)
    message = one_line(in_process(*SMOKE, "run_dir=run", "seed=5"))
    assert "run holds a run of another configuration: seed is 0 there and 5 here" in message


def test_a_diverged_run_is_one_line_and_exit_code_1(gammvae):
    result = gammvae(*SMOKE, "optimizer.lr=1e30")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "became non-finite in pretrain, epoch 1" in result.stderr.splitlines()[-1]


def test_a_crash_keeps_its_traceback_and_exits_with_1(tmp_path, gammvae):
    (tmp_path / "broken.py").write_text(
        "import numpy as np\n"
        "import gammvae\n"
        "import gammvae.training.loop\n"
        "\n"
        "def crash(*_):\n"
        "    return 1 / 0\n"
        "\n"
        "def load():\n"
        "    gammvae.training.loop.report = crash  # a defect of ours\n"
        "    x = np.random.default_rng(0).random((1797, 64)).astype('float32')\n"
        "    return gammvae.Dataset(x, None, (1, 8, 8))\n"
    )
    path = f"{tmp_path}:{Path(__file__).parents[1]}"
    words = ("dataset.loader._target_=broken.load", "n_clusters=2")
    result = gammvae("train", *words, PYTHONPATH=path)
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
    assert 'broken.py", line 6, in crash' in result.stderr


def test_a_full_disk_is_one_line(monkeypatch, tmp_path, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "outputs/train.pt")

    monkeypatch.setattr(gammvae.training.stages, "save_checkpoint", full)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gammvae", *SMOKE])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "gammvae: outputs/train.pt cannot be written or read: No space left on device"
    )


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.COMMANDS["train"], "run", interrupt)
    monkeypatch.setattr(sys, "argv", ["gammvae", "train"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "the same command continues" in capsys.readouterr().err
