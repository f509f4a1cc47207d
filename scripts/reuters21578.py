"""Reuters-21578 as an array: tf-idf of the documents of the ten most frequent topics.

A stand-in for text, not Reuters-10k.
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
    """Writes the documents of one of the ten most frequent topics, unless it was done before.

    Only documents of a single topic count.

    Args:
        root: Folder of ``reuters21578.jsonl.gz`` with a document's ``text`` and ``labels`` a line.
        folder: Where the matrix and the topics are written.

    Returns:
        What ``gammvae train`` is told to read them.
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
        some = np.flatnonzero(matrix.getnnz(axis=1))  # documents with one of the words
        folder.mkdir(parents=True, exist_ok=True)
        scipy.sparse.save_npz(path, matrix[some].astype(np.float32))
        topics.write_text("".join(f"{kept[i]['labels'][0]}\n" for i in some))
    return [
        *("dataset=file", f"n_clusters={TOPICS}", f'dataset.path="{path.resolve()}"'),
        *("dataset.likelihood=normal", f'dataset.labels="{topics.resolve()}"'),
    ]
