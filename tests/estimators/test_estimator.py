import json
import os
import pickle
import shutil
import subprocess
import threading

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import gammvae.training.loop
import gammvae.training.stages
from gammvae import GammMVAE
from gammvae.errors import InputError
from gammvae.evaluation.assignments import bound
from gammvae.runs.contents import ASSIGNMENTS, RESULT

WINE = load_wine()
X = WINE.data
# Hardly trained, as parameters and as words of the command.
QUICK = {
    "preprocess": "standardize",
    "pretrain__updates": 20,
    "train__updates": 20,
    "train__rounds": 2,
    "init__n_init": 2,
    "architecture__hidden": [32],
    "architecture__latent_dim": 3,
}
WORDS = [
    *("preprocess=standardize", "pretrain.updates=20", "train.updates=20", "train.rounds=2"),
    *("init.n_init=2", "architecture.hidden=[32]", "architecture.latent_dim=3", "device=cpu"),
]


def quick(n_clusters=3, **parameters):
    return GammMVAE(n_clusters, device="cpu", **(QUICK | parameters))


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(X)


@pytest.fixture(scope="module")
def python(tmp_path_factory, forks):
    """Runs a program in a second Python process."""

    def call(program, *arguments):
        folder = tmp_path_factory.mktemp("python")
        (folder / "program.py").write_text(program)
        done = subprocess.run(
            [*forks, "program.py", *map(str, arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def figures(result):
    """What two runs of the same settings and data have in common."""
    differ = ("seconds", "peak_memory_bytes", "command", "dataset_notes")
    return {name: value for name, value in result.items() if name not in differ}


def assert_same_run(estimator, run):
    """The estimator and the folder agree to the last bit."""
    assert figures(estimator.result_) == figures(json.loads((run / RESULT).read_text()))
    with np.load(run / ASSIGNMENTS) as arrays:
        np.testing.assert_array_equal(estimator.labels_, arrays["labels"])
        np.testing.assert_array_equal(estimator.transform(X), arrays["embedding"])
        np.testing.assert_array_equal(estimator.predict_proba(X), arrays["responsibilities"])


def test_the_command_in_another_process_gives_the_same_to_the_last_bit(fitted, gammvae, tmp_path):
    np.save(tmp_path / "x.npy", X)
    words = ["dataset=file", "dataset.path=x.npy", "n_clusters=3", "run_dir=run", *WORDS]
    done = gammvae("train", *words)
    assert done.returncode == 0, done.stderr
    assert_same_run(fitted, tmp_path / "run")


@pytest.mark.parametrize("kind", ["vade", "dec", "kmeans"])
def test_other_methods_give_what_the_command_gives(kind, in_process, tmp_path):
    np.save(tmp_path / "x.npy", X)
    words = ["dataset=file", "dataset.path=x.npy", "n_clusters=3", "run_dir=run", "seed=4", *WORDS]
    done = in_process("train", *words, f"model={kind}")
    assert done.returncode == 0, done.err
    assert_same_run(quick(model=kind, random_state=4).fit(X), tmp_path / "run")


def test_a_saved_run_is_one_of_the_command(fitted, in_process, tmp_path):
    np.save(tmp_path / "x.npy", X)
    fitted.save(tmp_path / "run")
    done = in_process("evaluate", "run", "dataset.path=x.npy")
    assert "all figures agree" in done.stdout, done.stderr
    assert in_process("predict", "run", "data=x.npy", "out=y.npz").returncode == 0
    with np.load(tmp_path / "y.npz") as arrays:
        np.testing.assert_array_equal(arrays["labels"], fitted.predict(X))
    assert in_process("sample", "run", "cluster=1", "n=9", "min_posterior=0.5").returncode == 0
    drawn, labels = fitted.sample(9, cluster=1, min_posterior=0.5)
    with np.load(tmp_path / "run/samples.npz") as arrays:
        np.testing.assert_array_equal(arrays["x"], drawn)
    assert (labels == 1).all()


def test_a_run_of_the_command_can_be_loaded_and_repeated(in_process, tmp_path):
    np.save(tmp_path / "x.npy", X)
    words = ["dataset=file", "dataset.path=x.npy", "n_clusters=3", "run_dir=run", *WORDS]
    in_process("train", *words, "model=vade", "optimizer=sgd", "seed=7")
    loaded = GammMVAE.load(tmp_path / "run", device="cpu")
    assert (loaded.model, loaded.random_state, loaded.n_features_in_) == ("vade", 7, 13)
    assert_same_run(loaded, tmp_path / "run")
    assert_same_run(clone(loaded).fit(X), tmp_path / "run")


def test_the_run_of_a_dataset_by_name_can_be_loaded_and_repeated(in_process, tmp_path):
    in_process("train", "dataset=digits", "experiment=smoke", "device=cpu", "run_dir=run")
    loaded = GammMVAE.load(tmp_path / "run", device="cpu")
    images = load_digits().data / 16
    np.testing.assert_array_equal(loaded.predict(images), loaded.labels_)
    repeated = clone(loaded).fit(images)
    assert repeated.elbo_ == loaded.elbo_
    np.testing.assert_array_equal(repeated.labels_, loaded.labels_)


def test_what_is_loaded_does_not_need_the_folder(fitted, tmp_path):
    fitted.save(tmp_path / "run")
    loaded = GammMVAE.load(tmp_path / "run", device="cpu")
    shutil.rmtree(tmp_path / "run")
    np.testing.assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))
    loaded.save(tmp_path / "run")
    again = GammMVAE.load(tmp_path / "run", device="cpu")
    assert again.get_params() == loaded.get_params()


def test_a_report_is_saved_with_the_run(tmp_path):
    quick(train__updates=2, report=True).fit(X).save(tmp_path / "run")
    assert "<html" in (tmp_path / "run/report.html").read_text()


def test_names_of_large_tables_are_not_kept(monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr("gammvae.estimators.samples.IN_MEMORY_BYTES", 1000)
    made = quick(train__updates=2).fit(pandas.DataFrame(X, columns=WINE.feature_names))
    assert "samples.npy" in made.result_["command"]
    assert list(made.feature_names_in_) == list(WINE.feature_names)


def test_folders_that_hold_something_are_left_alone(fitted, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is not empty: name another folder"):
        fitted.save(tmp_path)
    with pytest.raises(InputError, match="is not a finished run"):
        GammMVAE.load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_pickles_predict_in_another_process(python, tmp_path):
    expected = {}
    for kind in ("gammvae", "idec", "dcn", "ae_kmeans", "ward"):
        made = quick(model=kind).fit(X)
        (tmp_path / f"{kind}.pkl").write_bytes(pickle.dumps(made))
        expected[kind] = made.predict(X), made.transform(X)
        del made  # and its temporary folder
    np.save(tmp_path / "x.npy", X)
    python(
        "import pathlib, pickle, sys, numpy as np, torch\n"
        "torch.set_num_threads(1)\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "x = np.load(folder / 'x.npy')\n"
        "for path in folder.glob('*.pkl'):\n"
        "    made = pickle.loads(path.read_bytes())\n"
        "    np.savez(path.with_suffix('.npz'), made.predict(x), made.transform(x))\n",
        tmp_path,
    )
    for kind, (labels, embedding) in expected.items():
        with np.load(tmp_path / f"{kind}.npz") as found:
            np.testing.assert_array_equal(found["arr_0"], labels)
            np.testing.assert_array_equal(found["arr_1"], embedding)


def test_peers_of_a_folder_have_labels_but_do_not_predict(tmp_path):
    made = quick(model="kmeans", preprocess="none").fit(X)
    sizes = np.bincount(KMeans(3, n_init=10, random_state=0).fit_predict(X.astype(np.float32)))
    np.testing.assert_array_equal(np.sort(made.cluster_sizes_), np.sort(sizes))
    np.testing.assert_array_equal(made.predict(X), made.labels_)
    assert made.elbo_ is None
    with pytest.raises(InputError, match="model=kmeans has no mixture, which this needs"):
        made.score(X)
    made.save(tmp_path / "run")
    loaded = GammMVAE.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.labels_, made.labels_)
    with pytest.raises(InputError, match="model=kmeans does not say how others"):
        loaded.predict(X)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_the_temporary_folder_goes_with_the_estimator(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = quick().fit(X)
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == ["run"]
    again = pickle.loads(pickle.dumps(made))
    assert len(list(tmp_path.iterdir())) == 2
    if (child := os.fork()) == 0:
        del made, again
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 2
    del made, again
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError):
        quick(train__kl_weight=-1).fit(X)
    assert list(tmp_path.iterdir()) == []


def test_figures_of_the_fit_agree_with_each_other(fitted):
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    np.testing.assert_array_equal(fitted.predict_proba(X).argmax(1), fitted.labels_)
    np.testing.assert_array_equal(fitted.cluster_sizes_, np.bincount(fitted.labels_, minlength=3))
    assert fitted.cluster_sizes_.sum() == len(X)
    assert fitted.elbo_ == fitted.result_["metrics"]["elbo"]
    assert [record["stage"] for record in fitted.history_].count("train") == 20
    assert fitted.weights_.sum() == pytest.approx(1)
    np.testing.assert_allclose(
        fitted.cluster_centers_, fitted.inverse_transform(fitted.means_), rtol=1e-6
    )
    names = fitted.get_feature_names_out()
    assert list(names) == ["gammmvae0", "gammmvae1", "gammmvae2"]
    assert fitted.transform(X).shape == (len(X), len(names))


def test_the_score_is_the_elbo_with_other_draws(fitted):
    """The mean over many seeds of the run's own estimate is that of the shared draws."""
    trained = fitted._run.trained("cpu")
    samples = fitted._run.samples(X, "cpu")
    elbos = [bound(trained.model, samples, seed)["elbo"] for seed in range(40)]
    scores = []
    for seed in range(40):
        trained.config.seed = seed
        scores.append(fitted.score(X))
    trained.config.seed = 0
    error = np.hypot(np.std(elbos), np.std(scores)) / np.sqrt(40)
    assert abs(np.mean(elbos) - np.mean(scores)) < 4 * error
    assert fitted.score(X) == fitted.score(X) == pytest.approx(fitted.score_samples(X).mean())


def test_a_sample_follows_the_mixture(fitted):
    drawn, labels = fitted.sample(3000)
    assert drawn.shape == (3000, 13)
    share = np.bincount(labels, minlength=3) / 3000
    error = np.sqrt(fitted.weights_ * (1 - fitted.weights_) / 3000)
    assert (np.abs(share - fitted.weights_) < 4 * error + 1e-12).all()
    for k in range(3):
        alone, _ = fitted.sample(1000, cluster=k)
        error = np.sqrt(alone.var(0) / 1000 + drawn[labels == k].var(0) / (labels == k).sum())
        gap = np.abs(alone.mean(0) - drawn[labels == k].mean(0))
        assert (gap < 5 * error).all()
    np.testing.assert_array_equal(fitted.sample(10)[0], fitted.sample(10)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples=0 is out of range: it must be a whole number from 1"),
        ({"cluster": 3}, "cluster=3 is out of range: it must be a whole number from 0 to 2"),
        ({"temperature": 0.0}, "temperature=0.0 is out of range"),
        ({"min_posterior": 1.5}, "min_posterior=1.5 is out of range"),
    ],
)
def test_arguments_of_a_sample_are_checked(fitted, arguments, message):
    with pytest.raises(InputError, match=message):
        fitted.sample(**arguments)


def test_names_of_a_data_frame_are_kept_and_checked(fitted, tmp_path, in_process):
    frame = pytest.importorskip("pandas").DataFrame(X, columns=WINE.feature_names)
    frame.columns = ["", *frame.columns[1:]]  # a name that tables give to a row index
    made = quick().fit(frame)
    np.testing.assert_array_equal(made.labels_, fitted.labels_)
    np.testing.assert_array_equal(made.score_samples(frame), fitted.score_samples(X))
    assert list(made.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        made.predict(frame[frame.columns[::-1]])
    made.save(tmp_path / "run")
    assert list(GammMVAE.load(tmp_path / "run").feature_names_in_) == list(frame.columns)
    frame.iloc[:, ::-1].to_parquet(tmp_path / "other.parquet")
    done = in_process("predict", "run", "data=other.parquet", "out=y.csv")
    assert done.returncode == 2
    assert "columns must have the same names in the same order" in done.stderr


def test_a_data_frame_of_polars_is_read(fitted):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=list(WINE.feature_names))
    made = quick().fit(frame)
    np.testing.assert_array_equal(made.labels_, fitted.labels_)
    assert list(made.feature_names_in_) == list(WINE.feature_names)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.coo_matrix])
def test_sparse_samples_are_as_dense_ones(kind):
    x = np.where(load_digits().data > 8, load_digits().data, 0)[:400] / 16
    dense, sparse = (quick(10, preprocess="none").fit(one) for one in (x, kind(x)))
    np.testing.assert_array_equal(sparse.labels_, dense.labels_)
    np.testing.assert_array_equal(sparse.predict_proba(kind(x)), dense.predict_proba(x))
    assert sparse.elbo_ == dense.elbo_


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64, bool])
def test_the_type_of_the_numbers_does_not_matter(dtype):
    x = (load_digits().data[:300] > 7).astype(dtype)
    made = quick(5, preprocess="none").fit(x)
    assert made.result_["likelihood"] == "bernoulli"
    np.testing.assert_array_equal(made.labels_, quick(5, preprocess="none").fit(x + 0.0).labels_)


def test_images_need_their_shape():
    x = load_digits().data / 16
    made = quick(
        10, preprocess="none", dataset__shape=[1, 8, 8], recipe="images", augmentation="affine"
    ).fit(x[:300])
    assert made.predict(x).shape == (len(x),)
    assert made.sample(4)[0].shape == (4, 64)


def test_parameters_are_those_of_scikit_learn(fitted):
    assert fitted.get_params()["train__updates"] == 20
    copy = clone(fitted).set_params(train__updates=5, n_clusters=2, **{"train.rounds": 1})
    assert (copy.get_params()["train__updates"], copy.n_clusters) == (5, 2)
    assert copy.get_params()["train__rounds"] == 1
    assert fitted.get_params()["train__updates"] == 20
    assert "train__updates=5" in repr(copy)
    assert "train__updates" in copy._repr_html_()
    with pytest.raises(NotFittedError):
        copy.predict(X)
    assert GammMVAE().get_params() == {
        **{"n_clusters": 8, "random_state": 0, "device": "auto", "verbose": False},
        **{"model": "gammvae", "config_dir": None},
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"trian": 1}, "unknown setting trian: there are architecture, augmentation, "),
        ({"train__update": 5}, "unknown setting train__update: train has agreement, anchored, "),
        ({"seed": 1}, "seed cannot be given: random_state is the seed"),
        ({"run_dir": "x"}, "run_dir cannot be given: save writes a run to a folder"),
        ({"dataset": "mnist"}, "dataset cannot be given: the data are X"),
        ({"dataset__path": "x"}, "dataset__path cannot be given: the data are X"),
        ({"init": "kmean"}, "unknown option init=kmean: did you mean kmeans"),
        ({"model": "gamvae"}, "unknown option model=gamvae: did you mean gammvae"),
        ({"batch_size": -1}, "batch_size=-1 is out of range: it must be a number of at least 1"),
        ({"batch_size": object}, "batch_size=<class 'object'> is no setting"),
        ({"n_clusters": 200}, "n_clusters=200 exceeds the 178 samples"),
        ({"score_every": 1}, "score_every cannot be given: known classes are never read"),
    ],
)
def test_settings_are_refused_in_one_line(parameters, message):
    with pytest.raises(InputError, match="^" + message) as caught:
        GammMVAE(**({"n_clusters": 3} | parameters)).fit(X)
    assert "\n" not in str(caught.value)


def test_values_may_have_the_types_of_numpy(fitted):
    made = quick(
        np.int64(3),
        random_state=np.int64(0),
        train__updates=np.int32(20),
        architecture__hidden=np.array([32]),
        train__agreement=np.float64(20.0),
    ).fit(X)
    np.testing.assert_array_equal(made.labels_, fitted.labels_)


def test_seeds_are_those_of_scikit_learn():
    seeds = [
        quick(random_state=state, train__updates=1).fit(X).result_["seed"]
        for state in (np.random.RandomState(3), np.random.RandomState(3), None, None)
    ]
    assert seeds[0] == seeds[1]
    assert seeds[2] != seeds[3]


def test_a_pipeline_and_a_search_by_score(fitted):
    pipeline = make_pipeline(StandardScaler(), quick(preprocess="none"))
    assert pipeline.fit_predict(X).shape == (len(X),)
    search = GridSearchCV(pipeline, {"gammmvae__train__updates": [1, 20]}, cv=2)
    search.fit(X, WINE.target)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert search.best_params_ == {"gammmvae__train__updates": [1, 20][scores.argmax()]}


def test_fit_leaves_the_process_as_it_was(capfd, monkeypatch):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the state of other code
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    quick().fit(X)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert capfd.readouterr() == ("", "")
    quick(verbose=True).fit(X)
    shown = capfd.readouterr().err
    assert "178 samples of 13 features" in shown
    assert "%|" in shown
    quick().fit(X)
    assert capfd.readouterr() == ("", "")


def test_threads_wait_for_each_other(fitted):
    made = [quick(), quick()]
    threads = [threading.Thread(target=one.fit, args=[X]) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in made:
        np.testing.assert_array_equal(one.labels_, fitted.labels_)


@pytest.mark.parametrize(("kind", "has_score"), [("gammvae", True), ("dec", False)])
def test_an_interrupt_leaves_the_last_checkpoint(kind, has_score, monkeypatch, tmp_path):
    report = gammvae.training.loop.report

    def interrupting(record, stage, bar):
        if (record["stage"], record["epoch"]) == ("train", 8):
            raise KeyboardInterrupt
        report(record, stage, bar)

    monkeypatch.setattr(gammvae.training.loop, "report", interrupting)
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_RATIO", 0)
    made = quick(model=kind)
    with pytest.warns(ConvergenceWarning, match="interrupted after epoch 7"):
        made.fit(X)
    assert made.history_[-1]["epoch"] == 7
    np.testing.assert_array_equal(made.predict(X), made.labels_)
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.predict(X), made.labels_)
    assert not has_score or np.isfinite(made.score(X))
    for one in (made, again):
        with pytest.raises(InputError, match="interrupted after epoch 7, fit again"):
            one.save(tmp_path / "run")


def test_an_interrupt_before_joint_training_leaves_nothing(monkeypatch):
    def interrupting(record, stage, bar):
        raise KeyboardInterrupt

    monkeypatch.setattr(gammvae.training.loop, "report", interrupting)
    made = quick()
    with pytest.raises(KeyboardInterrupt):
        made.fit(X)
    with pytest.raises(NotFittedError):
        made.predict(X)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(monkeypatch):
    made = quick().fit(X)
    before = made.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        made.fit(X[:, :4] * np.nan)
    monkeypatch.setattr("gammvae.estimators.estimator.fit_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        made.fit(X[:, :4])
    np.testing.assert_array_equal(made.predict(X), before)
    np.testing.assert_array_equal(made.labels_, before)


def stopped(*_, **__):
    raise KeyboardInterrupt


def test_another_option_replaces_that_of_a_loaded_run(tmp_path):
    """What the run's own option brought must not stay."""
    quick(init="kmeans", augmentation="noise").fit(X).save(tmp_path / "run")
    loaded = GammMVAE.load(tmp_path / "run", device="cpu")
    assert loaded.get_params()["init"] == "kmeans"
    own = {name for name in loaded.get_params() if name.startswith(("init__", "augmentation__"))}
    assert own == {"init__n_init"}  # which quick gives
    loaded.set_params(init="gmm", augmentation="none").fit(X)
    expected = quick(init="gmm", augmentation="none").fit(X)
    np.testing.assert_array_equal(loaded.transform(X), expected.transform(X))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ma.masked_array(X, np.arange(X.size).reshape(X.shape) == 3), "with 1 masked values: "),
        (np.ones((20, 3), "datetime64[s]"), "values of type datetime64"),
        (np.ones((20, 8, 8)), r"X has 3 dimensions: .* dataset__shape=\[8, 8\]"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(x)


def test_a_real_interrupt_of_a_real_process(python):
    program = (
        "import os, signal, threading, time, warnings\n"
        "from sklearn.datasets import load_wine\n"
        "from gammvae import GammMVAE\n"
        "import gammvae.training.methods.mixture as mixture\n"
        "train = mixture.MixtureTraining.train\n"
        "def begun(self):\n"
        "    stop = lambda: (time.sleep(1), os.kill(os.getpid(), signal.SIGINT))\n"
        "    threading.Thread(target=stop).start()\n"
        "    train(self)\n"
        "mixture.MixtureTraining.train = begun\n"
        "made = GammMVAE(3, train__updates=1000000, pretrain__updates=10, device='cpu')\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    made.fit(load_wine().data)\n"
        "assert 'training was interrupted' in str(caught[-1].message), caught\n"
        "print(made.predict(load_wine().data).shape)\n"
    )
    assert python(program) == "(178,)\n"


# Checks with sparse samples expect as many columns of predict_proba as their y has classes: four.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([quick(4, preprocess="none")])
def test_scikit_learns_conventions(estimator, check):
    check(estimator)
