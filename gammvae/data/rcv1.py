"""Reuters-10k: 10,000 documents of RCV1-v2 from exactly one of four root categories, as tf-idf."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from joblib.compressor import BinaryZlibFile
from joblib.numpy_pickle import NumpyUnpickler
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from gammvae.data.dataset import Dataset
from gammvae.data.published.array_cache import Arrays, prepared
from gammvae.data.published.downloads import Store, digest
from gammvae.errors import reading

log = logging.getLogger(__name__)

# The only names in scikit-learn's cache. Any other name in a pickle could run code.
HARMLESS = {
    *(("numpy", name) for name in ("dtype", "ndarray")),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
    *(("scipy.sparse._csr", name) for name in ("csr_matrix", "csr_array")),
    ("scipy.sparse.csr", "csr_matrix"),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
}


class Corpus(NamedTuple):
    """Documents as weighted terms, and their categories."""

    terms: scipy.sparse.csr_matrix  # (N, V)
    topics: scipy.sparse.csr_matrix  # (N, T), of 0 and 1
    topic_names: Sequence[str]  # (T,)


def reuters10k(
    store: Store,
    cache: str,
    roots: Sequence[str],
    samples: int,
    features: int,
    seed: int,
) -> Dataset:
    """A random sample of documents of exactly one root category, as their most frequent terms.

    Args:
        store: Holds the files that ``sklearn.datasets.fetch_rcv1`` downloads; or, as stand-ins, the
            pickles that it caches: terms, topics and names of topics.
        cache: Folder of prepared arrays.
        roots: Names of the root categories.
        samples: Number of documents to draw.
        features: Number of terms to keep.
        seed: Of the draw.

    Raises:
        InputError: A file is missing and cannot be downloaded, or is damaged.
    """
    pickles = store.stand_ins()
    files = pickles or [store.require(file) for file in store.files]
    sha = hashlib.sha256(repr((tuple(roots), samples, features, seed)).encode())
    for path in files:
        sha.update(digest(path, "sha256:").encode())

    def prepare() -> Arrays:
        log.info("preparing reuters10k from %s: minutes, once", files[0].parent)
        corpus = Corpus(*map(unpickled, pickles)) if pickles else parsed(files)
        return drawn(corpus, roots, samples, features, seed)

    arrays = prepared(cache, "reuters10k", sha.hexdigest(), prepare)
    return Dataset(arrays["x"], arrays["y"], (features,))


def parsed(files: Sequence[Path]) -> Corpus:
    """The corpus as scikit-learn reads it, in a temporary folder.

    ``fetch_rcv1`` verifies the files and deletes them afterwards, so it is given links to them.
    """
    from sklearn.datasets import fetch_rcv1

    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "RCV1").mkdir()
        for path in files:
            os.symlink(path.resolve(), Path(home) / "RCV1" / path.name)
        with reading(files[0].parent):
            bunch = fetch_rcv1(data_home=home, subset="all")
    return Corpus(bunch.data.tocsr(), bunch.target.tocsr(), list(bunch.target_names))


class HarmlessUnpickler(NumpyUnpickler):
    """Reads files of joblib that contain nothing but arrays of numpy and scipy."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle's
        """The class that a pickle names.

        Raises:
            UnpicklingError: It is not one of ``HARMLESS``.
        """
        if (module, name) not in HARMLESS:
            raise UnpicklingError(f"it names {module}.{name}, which no array needs")
        return super().find_class(module, name)


def unpickled(path: Path) -> Any:  # noqa: ANN401 - whatever was pickled
    """Reads a file of scikit-learn's cache.

    Raises:
        InputError: It is damaged, or holds more than arrays.
    """
    with reading(path), BinaryZlibFile(str(path)) as file:
        return HarmlessUnpickler(str(path), file, ensure_native_byte_order=True).load()


def drawn(
    corpus: Corpus, roots: Sequence[str], samples: int, features: int, seed: int
) -> dict[str, NDArray]:
    """Draws samples ``x`` ``(N, F)`` and classes ``y`` ``(N,)``.

    The terms that occur in most documents of exactly one root category are kept. The mean square
    of each row is one, as in the file of the authors of DEC.
    """
    names = list(corpus.topic_names)
    in_root = corpus.topics[:, [names.index(root) for root in roots]].toarray()  # (N, 4)
    single = np.flatnonzero(in_root.sum(1) == 1)
    terms = corpus.terms[single]
    most_frequent = np.argsort(-terms.getnnz(axis=0), kind="stable")[:features]
    chosen = np.sort(np.random.default_rng(seed).choice(len(single), samples, replace=False))
    x = normalize(terms[chosen][:, np.sort(most_frequent)]).toarray() * np.sqrt(features)
    return {"x": x.astype(np.float32), "y": in_root[single[chosen]].argmax(1)}
