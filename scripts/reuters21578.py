"""Converts Reuters-21578 into tf-idf vectors of the documents in its ten most frequent topics.

This dataset is not Reuters-10k.
"""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer

WORDS, TOPICS = 2000, 10
FILE = "reuters21578.jsonl.gz"


def reuters21578(root: Path, folder: Path) -> list[str]:
    """Writes the documents in the ten most frequent topics, unless the files exist already.

    Only documents with a single topic are used.

    Args:
        root: Folder of ``reuters21578.jsonl.gz``, whose lines have ``text`` and ``labels``.
        folder: Folder for the matrix and the topics.

    Returns:
        Settings with which ``gammvae train`` reads the files.
    """
    path, topics = folder / "reuters21578.npz", folder / "reuters21578.txt"
    if not topics.exists():
        with gzip.open(root / FILE, "rt") as file:
            documents = [json.loads(line) for line in file]
        single = [document for document in documents if len(document["labels"]) == 1]
        counts = Counter(document["labels"][0] for document in single)
        frequent = {topic for topic, _ in counts.most_common(TOPICS)}
        kept = [document for document in single if document["labels"][0] in frequent]
        vectorizer = TfidfVectorizer(max_features=WORDS, stop_words="english", sublinear_tf=True)
        matrix = vectorizer.fit_transform(document["text"] for document in kept).tocsr()
        some = np.flatnonzero(
            matrix.getnnz(axis=1)
        )  # documents that have at least one of the words
        folder.mkdir(parents=True, exist_ok=True)
        scipy.sparse.save_npz(path, matrix[some].astype(np.float32))
        topics.write_text("".join(f"{kept[i]['labels'][0]}\n" for i in some))
    return [
        *("dataset=file", f"n_clusters={TOPICS}", f'dataset.path="{path.resolve()}"'),
        *("dataset.likelihood=normal", f'dataset.labels="{topics.resolve()}"'),
    ]
