import dataclasses
import gzip
import hashlib
import types

import joblib
import numpy as np
import pytest
import scipy.sparse
import sklearn.datasets
import sklearn.datasets._rcv1 as upstream
from sklearn.datasets import dump_svmlight_file

from gammvae.config.published import FileConfig
from gammvae.data.by_name import load_dataset
from gammvae.data.rcv1 import Corpus, drawn
from gammvae.errors import InputError
from tests.conftest import compose_config

N, V = 300, 40
ROOTS = ("CCAT", "ECAT", "GCAT", "MCAT")
TOPICS = ("C11", "CCAT", "E12", "ECAT", "GCAT", "GJOB", "M11", "MCAT")
SMALL = {"samples": 50, "features": 12, "seed": 0}


@pytest.fixture(scope="module")
def corpus():
    """Documents in one root category, in two, and in none."""
    rng = np.random.default_rng(0)
    frequency = rng.uniform(0.02, 0.6, size=V)
    present = rng.uniform(size=(N, V)) < frequency
    terms = np.where(present, rng.uniform(0.1, 1, size=(N, V)), 0)
    topics = (rng.uniform(size=(N, len(TOPICS))) < 0.3).astype(np.uint8)
    roots = [TOPICS.index(root) for root in ROOTS]
    topics[:, 0] |= topics.sum(1) == 0  # every document has a topic
    topics[:200, roots] = np.eye(4, dtype=np.uint8)[rng.integers(4, size=200)]
    return Corpus(scipy.sparse.csr_matrix(terms), scipy.sparse.csr_matrix(topics), TOPICS)


def config(root, download=False, **about):
    found = compose_config("dataset=reuters10k", f"dataset.root={root}").dataset
    return dataclasses.replace(
        found,
        cache=str(root / "cache"),
        download=download,
        about=dataclasses.replace(found.about, samples=50, features=12, **about),
        loader={**found.loader, **SMALL},
    )


@pytest.fixture
def pickled(tmp_path, corpus):
    """scikit-learn's cache as ``fetch_rcv1`` writes it."""
    (tmp_path / "RCV1").mkdir()
    for name, content in {
        "samples": corpus.terms,
        "sample_id": np.arange(N, dtype=np.uint32),
        "sample_topics": corpus.topics,
        "topics_names": np.array(TOPICS, dtype=object),
    }.items():
        joblib.dump(content, tmp_path / "RCV1" / f"{name}_py3.pkl", compress=9)
    return tmp_path


def slowly(corpus):
    """The same preparation document by document, in plain words."""
    terms, topics = corpus.terms.toarray(), corpus.topics.toarray()
    roots = [TOPICS.index(root) for root in ROOTS]
    kept = [i for i in range(N) if sum(topics[i, root] for root in roots) == 1]
    documents = [sum(terms[i, v] > 0 for i in kept) for v in range(V)]
    frequent = sorted(sorted(range(V), key=lambda v: (-documents[v], v))[:12])
    chosen = sorted(np.random.default_rng(0).choice(len(kept), 50, replace=False))
    x, y = [], []
    for i in (kept[position] for position in chosen):
        row = np.array([terms[i, v] for v in frequent])
        x.append(row / np.sqrt((row**2).sum()) * np.sqrt(12))
        y.append([topics[i, root] for root in roots].index(1))
    return np.array(x), np.array(y)


def test_it_is_the_documents_of_one_root_and_their_most_frequent_terms(corpus):
    arrays = drawn(corpus, ROOTS, **{"samples": 50, "features": 12, "seed": 0})
    x, y = slowly(corpus)
    np.testing.assert_allclose(arrays["x"], x, rtol=1e-6)
    np.testing.assert_array_equal(arrays["y"], y)
    assert arrays["x"].dtype == np.float32
    np.testing.assert_allclose((arrays["x"] ** 2).mean(1), 1, rtol=1e-6)
    assert set(y) == {0, 1, 2, 3}


def test_another_seed_draws_other_documents(corpus):
    first, second = (drawn(corpus, ROOTS, 50, 12, seed)["x"] for seed in (0, 1))
    assert (first != second).any()


def test_scikit_learns_cache_is_read(pickled, corpus):
    data = load_dataset(config(pickled))
    np.testing.assert_allclose(data.x, slowly(corpus)[0], rtol=1e-6)
    assert data.shape == (12,)


def test_it_is_prepared_once_and_anew_when_the_source_changes(pickled, corpus):
    first = load_dataset(config(pickled))
    stamp = (pickled / "cache" / "reuters10k" / "x.npy").stat().st_mtime_ns
    assert load_dataset(config(pickled)).digest == first.digest
    assert (pickled / "cache" / "reuters10k" / "x.npy").stat().st_mtime_ns == stamp
    joblib.dump(2 * corpus.terms[::-1], pickled / "RCV1" / "samples_py3.pkl", compress=9)
    assert load_dataset(config(pickled)).digest != first.digest


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("name", ["samples", "topics_names"])
def test_no_code_of_a_pickle_is_run(pickled, name):
    executed = pickled / "executed"
    path = pickled / "RCV1" / f"{name}_py3.pkl"
    joblib.dump(np.array([Bomb(str(executed))], dtype=object), path, compress=9)
    with pytest.raises(InputError, match=rf"{name}_py3.pkl is damaged: it names .*open, which no"):
        load_dataset(config(pickled))
    assert not executed.exists()


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_a_damaged_cache_is_named(pickled, content):
    (pickled / "RCV1" / "samples_py3.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"samples_py3.pkl is damaged: "):
        load_dataset(config(pickled))


def test_the_published_files_are_read_by_scikit_learn(tmp_path, corpus, monkeypatch):
    """The five parts and the topics, in their own format, and small: scikit-learn checks them."""
    folder = tmp_path / "RCV1"
    folder.mkdir()
    ids = np.arange(N) + 2286
    # as in the corpus, the part that scikit-learn puts first is the last file
    parts = np.split(np.arange(N), [60, 120, 180, 240])
    order = [*parts[1:], parts[0]]
    for source, rows in zip(upstream.XY_METADATA, order, strict=True):
        with gzip.open(folder / source.filename, "wb") as file:
            dump_svmlight_file(corpus.terms[rows], ids[rows], file, zero_based=False)
    lines = [
        f"{TOPICS[topic]} {ids[row]} 1\n"
        for row, topic in zip(*corpus.topics.nonzero(), strict=True)
    ]
    with gzip.open(folder / upstream.TOPICS_METADATA.filename, "wb") as file:
        file.write("".join(lines).encode())

    def digested(source):
        content = (folder / source.filename).read_bytes()
        return source._replace(checksum=hashlib.sha256(content).hexdigest())

    monkeypatch.setattr(upstream, "XY_METADATA", tuple(map(digested, upstream.XY_METADATA)))
    monkeypatch.setattr(upstream, "TOPICS_METADATA", digested(upstream.TOPICS_METADATA))
    monkeypatch.setattr(sklearn.datasets, "fetch_rcv1", of_small_size(upstream.fetch_rcv1))
    files = {
        f"RCV1/{source.filename}": FileConfig(source.url, f"sha256:{source.checksum}")
        for source in (*upstream.XY_METADATA, upstream.TOPICS_METADATA)
    }
    here = config(tmp_path, files=files)
    data = load_dataset(here)
    np.testing.assert_allclose(data.x, slowly(corpus)[0], rtol=1e-5)
    np.testing.assert_array_equal(data.y, slowly(corpus)[1])
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        file.removeprefix("RCV1/") for file in files
    )


def of_small_size(fetch):
    """``fetch_rcv1`` for a corpus of another size, which stands as local constants in its code."""
    smaller = {804414: N, 47236: V, 103: len(TOPICS)}
    inner = fetch.__wrapped__
    constants = tuple(
        smaller.get(value, value) if isinstance(value, int) else value
        for value in inner.__code__.co_consts
    )
    small = types.FunctionType(inner.__code__.replace(co_consts=constants), inner.__globals__)
    small.__kwdefaults__ = inner.__kwdefaults__
    return small


def test_a_missing_corpus_says_where_it_comes_from(tmp_path):
    with pytest.raises(
        InputError, match=r"lyrl2004_vectors_test_pt0.dat.gz is missing and .*figsh"
    ):
        load_dataset(config(tmp_path))
