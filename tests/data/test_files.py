import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pyarrow
import pytest
import scipy.sparse
from pyarrow import parquet

import gammvae.data.formats.arrays
import gammvae.data.rows
import gammvae.system.memory
from gammvae.data.files import load
from gammvae.errors import InputError

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
KINDS = np.array(["cat", "dog", "großes Tier", "dog"] * 10)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(path, **given):
    return load(**{"path": path, "array": None, "labels": None, "drop": [], "shape": None, **given})


def write_csv(path, header, rows, separator=","):
    lines = [] if header is None else [separator.join(map(str, header))]
    lines += [separator.join(map(str, row)) for row in rows]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


INDEX = np.random.default_rng(1).permutation(1000)[:40].tolist()
NAMES = ["a", "b", "c", "d", "e", "f"]
WITH_KINDS = [[*map(float, row), kind] for row, kind in zip(X, KINDS, strict=True)]


def write_all():
    """The same samples in every format, by file name, and how to say where the classes are."""
    np.save("x.npy", X)
    np.save("fortran.npy", np.asfortranarray(X))
    np.save("big_endian.npy", X.astype(">f8"))
    np.savez("x.npz", x=X, kinds=KINDS)
    np.savez_compressed("one.npz", X)
    np.save("kinds.npy", KINDS)
    scipy.sparse.save_npz("csr.npz", scipy.sparse.csr_matrix(X))
    scipy.sparse.save_npz("coo.npz", scipy.sparse.coo_array(X))
    scipy.sparse.save_npz("csc.npz", scipy.sparse.csc_matrix(X.astype(np.float64)))
    write_csv("x.csv", [*NAMES, "kind"], WITH_KINDS)
    write_csv("semicolons.csv", [*NAMES, "kind"], WITH_KINDS, ";")
    write_csv("x.tsv", [*NAMES, "kind"], WITH_KINDS, "\t")
    write_csv("no_header.csv", None, WITH_KINDS)
    write_csv("numbers.csv", None, X.tolist())
    write_csv("positions.csv", range(6), X.tolist())
    write_csv("index.csv", ["", *NAMES], [[i, *row] for i, row in enumerate(X.tolist())])
    columns = {name: X[:, i] for i, name in enumerate(NAMES)}
    parquet.write_table(pyarrow.table({**columns, "kind": KINDS}), "x.parquet")


SOURCES = {
    "x.npy": "kinds.npy",
    "fortran.npy": "kinds.npy",
    "big_endian.npy": "kinds.npy",
    "x.npz": "kinds",
    "one.npz": "kinds.npy",
    "csr.npz": "kinds.npy",
    "coo.npz": "kinds.npy",
    "csc.npz": "kinds.npy",
    "x.csv": "kind",
    "semicolons.csv": "kind",
    "x.tsv": "kind",
    "no_header.csv": "7",
    "numbers.csv": "kinds.npy",
    "positions.csv": "kinds.npy",
    "index.csv": "kinds.npy",
    "x.parquet": "kind",
}


@pytest.mark.parametrize("path", SOURCES)
def test_every_format_gives_the_same_samples_and_classes(path):
    write_all()
    data = read(path, labels=SOURCES[path])
    np.testing.assert_array_equal(data.x[0:40], X)
    assert data.y.tolist() == KINDS.tolist()
    assert data.shape == (6,)


@pytest.mark.parametrize("path", ["x.npy", "one.npz", "csr.npz", "numbers.csv"])
def test_without_labels_there_are_no_classes(path):
    write_all()
    assert read(path).y is None


def test_what_was_made_of_a_csv_file_is_said():
    write_all()
    assert read("x.csv", labels="kind").notes == ("read as comma-separated with a header line",)
    assert read("numbers.csv").notes == (
        "read as comma-separated without a header line; "
        "dataset.header=true takes its first line as names",
    )
    (note,) = read("numbers.csv", header=False).notes
    assert note == "read as comma-separated without a header line"
    assert "column '' is left out: it counts the rows" in read("index.csv").notes[1]


def test_a_column_that_looks_like_classes_or_an_index_is_pointed_out():
    rows = [[i, *row, i % 3] for i, row in enumerate(X.tolist())]
    write_csv("x.csv", ["id", *NAMES, "Target"], rows)
    notes = read("x.csv").notes
    assert "'id' is taken as a feature and counts the rows; 'dataset.drop=[id]' leav" in notes[1]
    assert "'Target' is taken as a feature; dataset.labels=Target takes it as classes" in notes[2]
    data = read("x.csv", labels="Target", drop=["id"])
    assert data.x.shape == (40, 6)
    assert len(data.notes) == 1


@pytest.mark.parametrize("name", ["index", "level_0", "cell_id", "ID"])
def test_a_named_column_of_shuffled_numbers_of_rows_is_pointed_out(name):
    write_csv("x.csv", [*NAMES, name], [[*r, i] for r, i in zip(X.tolist(), INDEX, strict=True)])
    (note,) = read("x.csv").notes[1:]
    assert note.startswith(f"column {name!r} is taken as a feature and differs in every row; 'data")
    write_csv("x.csv", [*NAMES, name], [[*row, i % 3] for i, row in enumerate(X.tolist())])
    assert len(read("x.csv").notes) == 1


def test_the_shape_of_an_array_is_kept_and_can_be_given():
    np.save("x.npy", X.reshape(40, 2, 3))
    assert read("x.npy").shape == (2, 3)
    assert read("x.npy", shape=[1, 2, 3]).shape == (1, 2, 3)
    np.testing.assert_array_equal(read("x.npy").x, X)
    with pytest.raises(
        InputError, match=r"dataset.shape=\[2, 2\] does not suit x.npy: its samples"
    ):
        read("x.npy", shape=[2, 2])


def test_a_large_array_is_streamed_and_reads_the_same(monkeypatch):
    np.save("x.npy", X.astype(np.float64))
    expected = read("x.npy")
    monkeypatch.setattr(gammvae.data.formats.arrays, "IN_MEMORY_BYTES", 100)
    streamed = read("x.npy")
    assert streamed.notes == ("x.npy is streamed by batches",)
    assert not isinstance(streamed.x, np.ndarray)
    assert streamed.digest == expected.digest
    np.save("x.npy", np.asfortranarray(X))
    with pytest.raises(InputError, match=r"stored column by column and too large to be turned"):
        read("x.npy")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.arange(40) % 3 * 50 - 7, [-7, 43, 93]),
        ((np.arange(40) % 3).astype(np.float32), [0, 1, 2]),
        (np.arange(40) % 2 == 0, [1, 0, 1]),
        (KINDS, ["cat", "dog", "großes Tier"]),
        (KINDS[:, None], ["cat", "dog", "großes Tier"]),
        ((np.arange(40) % 3).astype(np.uint8), [0, 1, 2]),
    ],
)
def test_classes_are_whole_numbers_or_text_of_any_kind(stored, expected):
    np.save("x.npy", X)
    np.save("y.npy", stored)
    assert read("x.npy", labels="y.npy").y[:3].tolist() == expected


@pytest.mark.parametrize(
    "values", [KINDS, np.arange(40) % 3 + 5, pyarrow.array(KINDS).dictionary_encode()]
)
def test_classes_in_parquet_may_be_text_numbers_or_categories(values):
    column("x.parquet", values[:3])
    assert read("x.parquet", labels="b").y.tolist() == list(
        values[:3].to_pylist() if isinstance(values, pyarrow.Array) else values[:3]
    )


@pytest.mark.parametrize("value", [np.inf, np.nan, 0.5])
def test_a_class_that_is_no_whole_number_is_refused(value):
    np.save("x.npy", X)
    np.save("y.npy", np.where(np.arange(40) == 7, value, 1.0))
    why = "classes must be whole numbers or text" if value == 0.5 else "every sample must have one"
    with pytest.raises(
        InputError, match=f"{value} for sample 8|for sample 8, but {value}"
    ) as error:
        read("x.npy", labels="y.npy")
    assert str(error.value).endswith(why)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(KINDS) + "\n",
        "kind\n" + "\n".join(KINDS),
        "\n".join(f'"{kind}"' for kind in KINDS) + "\n\n",
        "\ufeffkind\r\n" + "\r\n".join(KINDS),
    ],
)
@pytest.mark.parametrize("name", ["y.txt", "y.csv"])
def test_classes_may_stand_a_line_each_in_a_text_file(name, text):
    np.save("x.npy", X)
    with open(name, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    assert read("x.npy", labels=name).y.tolist() == KINDS.tolist()


@pytest.mark.parametrize("index", [INDEX, [f"cell {i}" for i in INDEX]])
@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_a_row_index_without_a_name_is_left_out_and_named(name, index):
    rows = [[i, *row] for i, row in zip(index, X.tolist(), strict=True)]
    write_csv("x.csv", [name, *NAMES], rows)
    data = read("x.csv")
    np.testing.assert_array_equal(data.x, X)
    assert data.names == tuple(NAMES)
    kept = isinstance(index[0], int)
    assert f"column {name!r} is left out: it has no name of its own" in data.notes[1]
    assert data.notes[1].endswith("; dataset.index=keep takes it as a feature") == kept
    if kept:
        assert read("x.csv", index="keep").names == (name, *NAMES)
        assert read("x.csv", index="counting").names == (name, *NAMES)
    else:
        with pytest.raises(InputError, match="holds string"):
            read("x.csv", index="keep")
        np.testing.assert_array_equal(read("x.csv", index="keep", drop=[name]).x, X)
    assert read("x.csv", labels=name).y.tolist() == index


def test_an_index_of_several_columns_is_left_out():
    rows = [[i % 3, f"c{i}", *row] for i, row in zip(INDEX, X.tolist(), strict=True)]
    write_csv("x.csv", ["", "", *NAMES], rows)
    assert read("x.csv").names == tuple(NAMES)
    assert read("x.csv", labels="Unnamed: 1").y[0] == f"c{INDEX[0]}"


@pytest.mark.parametrize("separator", [",", "\t", " "])
def test_names_of_rows_as_r_writes_them_are_left_out(separator):
    names = [f'"{name}"' for name in NAMES]
    rows = [[f'"row {i}"', *row] for i, row in enumerate(X.tolist())]
    write_csv("x.csv", names, rows, separator)
    np.testing.assert_array_equal(read("x.csv").x, X)


def test_an_index_that_pandas_names_is_left_out():
    columns = {name: X[:, i] for i, name in enumerate(NAMES)}
    table = pyarrow.table({**columns, "cell": INDEX, "__index_level_1__": list(map(str, INDEX))})
    about = {"index_columns": ["cell", "__index_level_1__", {"kind": "range"}]}
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(about)}), "x.parquet")
    data = read("x.parquet")
    np.testing.assert_array_equal(data.x, X)
    assert "'cell' is left out: it is the index of the table that pandas wrote; " in data.notes[0]
    assert read("x.parquet", labels="cell").y.tolist() == INDEX
    kept = read("x.parquet", index="keep", drop=["__index_level_1__"])
    assert kept.names == (*NAMES, "cell")
    for damaged in ("{", "[]", '{"index_columns": 3}', "[" * 100_000):
        parquet.write_table(table.replace_schema_metadata({"pandas": damaged}), "y.parquet")
        assert read("y.parquet").names == (*NAMES, "cell")


@pytest.mark.parametrize("kind", [pyarrow.list_, pyarrow.large_list])
@pytest.mark.parametrize("size", [None, 6])
def test_lists_in_parquet_are_a_matrix(kind, size):
    of = kind(pyarrow.float32()) if size is None else pyarrow.list_(pyarrow.float32(), size)
    columns = {"a": INDEX, "code": pyarrow.array(X.tolist(), of), "kind": KINDS}
    parquet.write_table(pyarrow.table(columns), "x.parquet", row_group_size=7)
    data = read("x.parquet", labels="kind", drop=["a"])
    np.testing.assert_array_equal(data.x, X)
    assert data.names == tuple(f"code_{i}" for i in range(6))
    assert data.notes == ("column 'code' of lists is read as 6 features",)
    np.save("y.npy", KINDS)
    assert read("x.parquet", labels="y.npy", drop=["a", "kind"]).y.tolist() == KINDS.tolist()


def test_the_values_in_lists_are_counted_before_they_are_read(monkeypatch):
    lists = pyarrow.array(np.zeros((1000, 1000)).tolist(), pyarrow.list_(pyarrow.float64()))
    parquet.write_table(pyarrow.table({"code": lists}), "x.parquet")
    monkeypatch.setattr(gammvae.system.memory.os, "sysconf", lambda _: 2**11)  # 4 MiB
    with pytest.raises(InputError, match="GiB when it is read"):
        read("x.parquet")


def test_precision_is_kept_where_float32_would_round():
    fine = X.astype(np.float64) * 1e-3 + 2e7
    np.save("x.npy", fine)
    np.savez("x.npz", fine)
    write_csv("x.csv", None, fine.tolist())
    parquet.write_table(pyarrow.table(list(fine.T), NAMES), "x.parquet")
    for path in ("x.npy", "x.npz", "x.csv", "x.parquet"):
        np.testing.assert_array_equal(read(path).x, fine)
    np.save("x.npy", X.astype(np.float64))
    assert read("x.npy").x.dtype == np.float32


def test_sparse_matrices_stay_sparse():
    matrix = scipy.sparse.random(500, 10_000, density=0.001, format="csr", random_state=0)
    scipy.sparse.save_npz("x.npz", matrix)
    data = read("x.npz")
    assert isinstance(data.x, gammvae.data.rows.SparseRows)
    np.testing.assert_array_equal(data.x[7:9], matrix[7:9].toarray())


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return (open, ("executed", "w"))


def header(shape, descr="<f4"):
    """A ``.npy`` header that may promise what does not follow."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def write_bytes(path, content):
    with open(path, "wb") as file:
        file.write(content)


def write_npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def write_sparse(path, indices, indptr=(0, 1, 2), shape=(2, 3), kind=b"csr"):
    np.savez(
        path,
        format=kind,
        shape=shape,
        data=np.ones(2),
        indices=np.array(indices),
        indptr=np.array(indptr),
    )


def truncated(path, write, keep=0.6):
    write()
    with open(path, "rb") as file:
        content = file.read()
    write_bytes(path, content[: int(len(content) * keep)])


def column(path, values):
    parquet.write_table(pyarrow.table({"a": np.arange(3.0), "b": values}), path)


# What is made of an input, what is asked for, and a part of the message.
DAMAGED = {
    "no file": (lambda: None, {"path": "x.npy"}, "dataset.path=x.npy does not exist"),
    "no path": (lambda: None, {"path": None}, "dataset.path is missing"),
    "a folder": (lambda: os.mkdir("x.npy"), {"path": "x.npy"}, "x.npy is not a file"),
    "a pipe": (lambda: os.mkfifo("x.npy"), {"path": "x.npy"}, "x.npy is not a file"),
    "another kind": (lambda: write_bytes("x.mat", b"1"), {"path": "x.mat"}, "must end in .npy"),
    "empty npy": (lambda: write_bytes("x.npy", b""), {"path": "x.npy"}, "x.npy is damaged"),
    "garbage npy": (
        lambda: write_bytes("x.npy", b"\x00garbage" * 50),
        {"path": "x.npy"},
        "x.npy holds pickled Python objects",
    ),
    "truncated npy": (
        lambda: truncated("x.npy", lambda: np.save("x.npy", X)),
        {"path": "x.npy"},
        "x.npy is damaged",
    ),
    "a header that promises 4 PB": (
        lambda: write_bytes("x.npy", header((2**40, 1024))),
        {"path": "x.npy"},
        "x.npy is damaged",
    ),
    "a header with code": (
        lambda: write_bytes("x.npy", header("(open('executed', 'w'), 2)")),
        {"path": "x.npy"},
        "x.npy is damaged",
    ),
    "a pickle in npy": (
        lambda: write_bytes("x.npy", pickle.dumps(Bomb())),
        {"path": "x.npy"},
        "holds pickled Python objects, which are not read because that can run code",
    ),
    "an array of objects": (
        lambda: np.save("x.npy", np.array([[Bomb()], [1]]), allow_pickle=True),
        {"path": "x.npy"},
        "holds pickled Python objects",
    ),
    "text": (lambda: np.save("x.npy", KINDS[:, None]), {"path": "x.npy"}, "the type <U11: it must"),
    "complex": (lambda: np.save("x.npy", X + 1j), {"path": "x.npy"}, "the type complex64"),
    "dates": (
        lambda: np.save("x.npy", np.zeros((3, 2), "M8[s]")),
        {"path": "x.npy"},
        "the type datetime64[s]",
    ),
    "records": (
        lambda: np.save("x.npy", np.zeros((3, 2), [("a", "f4")])),
        {"path": "x.npy"},
        "it must hold real numbers",
    ),
    "a number": (lambda: np.save("x.npy", np.array(3.0)), {"path": "x.npy"}, "the shape ()"),
    "one axis": (
        lambda: np.save("x.npy", X[0]),
        {"path": "x.npy"},
        "the shape (6,): the first axis",
    ),
    "no samples": (lambda: np.save("x.npy", X[:0]), {"path": "x.npy"}, "the shape (0, 6)"),
    "no features": (lambda: np.save("x.npy", X[:, :0]), {"path": "x.npy"}, "the shape (40, 0)"),
    "wrong shape": (
        lambda: np.save("x.npy", X),
        {"path": "x.npy", "shape": [7]},
        "dataset.shape=[7] does not suit x.npy",
    ),
    "array of an npy": (
        lambda: np.save("x.npy", X),
        {"path": "x.npy", "array": "x"},
        "dataset.array=x has no use",
    ),
    "columns of an npy": (
        lambda: np.save("x.npy", X),
        {"path": "x.npy", "drop": ["a"]},
        "dataset.drop=['a'] has no use",
    ),
    "an npz that is none": (
        lambda: write_bytes("x.npz", b"PK garbage"),
        {"path": "x.npz"},
        "x.npz is damaged: File is not a zip file",
    ),
    "truncated npz": (
        lambda: truncated("x.npz", lambda: np.savez("x.npz", x=X)),
        {"path": "x.npz"},
        "x.npz is damaged",
    ),
    "empty npz": (lambda: np.savez("x.npz"), {"path": "x.npz"}, "x.npz holds 0 arrays"),
    "several arrays": (
        lambda: np.savez("x.npz", a=X, b=X),
        {"path": "x.npz"},
        "x.npz holds 2 arrays (a, b): dataset.array=NAME must say which",
    ),
    "no such array": (
        lambda: np.savez("x.npz", a=X, b=X),
        {"path": "x.npz", "array": "c"},
        "dataset.array=c is no array of x.npz: it has a, b",
    ),
    "objects in npz": (
        lambda: np.savez("x.npz", x=np.array([[Bomb(), 1]], dtype=object)),
        {"path": "x.npz"},
        "x.npz, array x, holds pickled Python objects",
    ),
    "objects as classes in npz": (
        lambda: np.savez("x.npz", x=X, y=np.array([Bomb()] * 40, dtype=object)),
        {"path": "x.npz", "labels": "y"},
        "x.npz, array y, holds pickled Python objects",
    ),
    "a zip bomb": (
        lambda: zip_bomb("x.npz"),
        {"path": "x.npz"},
        "GiB when it is read, more than half of the",
    ),
    "bytes that float32 makes larger than memory": (
        lambda: np.savez_compressed("x.npz", np.zeros((2**20, 200), np.uint8)),
        {"path": "x.npz"},
        "x.npz takes 1.6 GiB when it is read",
    ),
    "a member that promises more": (
        lambda: write_npz("x.npz", x=header((2**40, 1024))),
        {"path": "x.npz"},
        "x.npz",
    ),
    "a flipped byte in npz": (
        lambda: flipped("x.npz", lambda: np.savez("x.npz", x=X)),
        {"path": "x.npz"},
        "x.npz is damaged: Bad CRC-32",
    ),
    "sparse index out of range": (
        lambda: write_sparse("x.npz", [0, 2**20]),
        {"path": "x.npz"},
        "x.npz is damaged",
    ),
    "negative sparse index": (
        lambda: write_sparse("x.npz", [0, -5]),
        {"path": "x.npz"},
        "x.npz is damaged",
    ),
    "sparse index out of range, by columns": (
        lambda: write_sparse("x.npz", [0, 2**20], (0, 1, 2, 2), kind=b"csc"),
        {"path": "x.npz"},
        "x.npz is damaged",
    ),
    "sparse row pointers out of range": (
        lambda: write_sparse("x.npz", [0, 1], (0, 1, 99)),
        {"path": "x.npz"},
        "x.npz is damaged",
    ),
    "sparse matrix of 2^45 rows": (
        lambda: write_sparse("x.npz", [0, 1], shape=(2**45, 3)),
        {"path": "x.npz"},
        "GiB when it is read",
    ),
    "sparse objects": (
        lambda: np.savez(
            "x.npz", format=b"csr", shape=(2, 2), data=np.array([Bomb()], object), indices=[0]
        ),
        {"path": "x.npz"},
        "x.npz is damaged",
    ),
    "empty csv": (lambda: write_bytes("x.csv", b""), {"path": "x.csv"}, "its first line is empty"),
    "ragged csv, short": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n3\n"),
        {"path": "x.csv"},
        "x.csv is damaged: CSV parse error: Expected 2 columns, got 1",
    ),
    "ragged csv, long": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n3,4,5\n"),
        {"path": "x.csv"},
        "x.csv is damaged: CSV parse error: Expected 2 columns, got 3",
    ),
    "an empty cell": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n3,\n"),
        {"path": "x.csv"},
        "column 'b' has no value in row 2",
    ),
    "text among numbers": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n3,n/k\n"),
        {"path": "x.csv"},
        "column 'b' holds string ('n/k' in row 2): features must be numbers",
    ),
    "a decimal comma among points": (
        lambda: write_bytes("x.csv", b'a;b\n"1,5";2.5\n'),
        {"path": "x.csv"},
        "column 'a' holds string ('1,5' in row 1)",
    ),
    "what Python takes for a number": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n1_1,2\n"),
        {"path": "x.csv"},
        "column 'a' holds string ('1_1' in row 2)",
    ),
    "a no-break space": (
        lambda: write_bytes("x.csv", "1,2\n1,2\u00a0\n".encode()),
        {"path": "x.csv"},
        "column '2' holds string ('2\\xa0' in row 2)",
    ),
    "a header and no rows": (
        lambda: write_bytes("x.csv", b"a,b\n"),
        {"path": "x.csv"},
        "x.csv has a line of names and no rows below it",
    ),
    "names of numbers and one of text": (
        lambda: write_bytes("x.csv", b"1990,1991,kind\n.5,.7,a\n.6,.8,b\n"),
        {"path": "x.csv"},
        "column '3' holds string ('kind' in row 1)",
    ),
    "a header that an array has not": (
        lambda: np.save("x.npy", X),
        {"path": "x.npy", "header": True},
        "dataset.header=True has no use: x.npy is no text",
    ),
    "two columns of a name": (
        lambda: write_bytes("x.csv", b"a,a\n1,2\n"),
        {"path": "x.csv"},
        "x.csv has 2 columns named 'a'",
    ),
    "a column to drop that is none": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n"),
        {"path": "x.csv", "drop": ["c"]},
        "dataset.drop=c is no column of x.csv: it has a, b",
    ),
    "nothing but classes": (
        lambda: write_bytes("x.csv", b"a\nx\ny\n"),
        {"path": "x.csv", "labels": "a"},
        "no column is left to be a feature",
    ),
    "UTF-16": (
        lambda: write_bytes("x.csv", "a,b\n1,2\n".encode("utf-16")),
        {"path": "x.csv"},
        "x.csv is damaged: 'utf-8' codec can't decode",
    ),
    "binary csv": (
        lambda: write_bytes("x.csv", bytes(range(256)) * 20),
        {"path": "x.csv"},
        "x.csv is damaged",
    ),
    "a csv larger than memory": (
        lambda: sparse_file("x.csv", 2**42),
        {"path": "x.csv"},
        "GiB when it is read",
    ),
    "no such class column": (
        lambda: write_bytes("x.csv", b"a,b\n1,2\n"),
        {"path": "x.csv", "labels": "kind"},
        "dataset.labels=kind is neither in x.csv nor a file: it has a, b",
    ),
    "a class missing": (
        lambda: write_bytes("x.csv", b"a,b,kind\n1,2,x\n1,3,\n"),
        {"path": "x.csv", "labels": "kind"},
        "the classes have no value in row 2",
    ),
    "garbage parquet": (
        lambda: write_bytes("x.parquet", b"PAR1 garbage"),
        {"path": "x.parquet"},
        "x.parquet is damaged",
    ),
    "truncated parquet": (
        lambda: truncated("x.parquet", lambda: column("x.parquet", np.arange(3))),
        {"path": "x.parquet"},
        "x.parquet is damaged",
    ),
    "text in parquet": (
        lambda: column("x.parquet", ["x", "y", "z"]),
        {"path": "x.parquet"},
        "column 'b' holds string: features must be numbers",
    ),
    "lists of text in parquet": (
        lambda: column("x.parquet", [["x"], ["y"], ["z"]]),
        {"path": "x.parquet"},
        "column 'b' holds list",
    ),
    "lists of several lengths": (
        lambda: column("x.parquet", [[1], [2], [3, 4]]),
        {"path": "x.parquet"},
        "column 'b' has a list of 2 values in row 3 and one of 1 in row 1",
    ),
    "empty lists": (
        lambda: column("x.parquet", pyarrow.array([[], [], []], pyarrow.list_(pyarrow.int8()))),
        {"path": "x.parquet"},
        "column 'b' has a list of 0 values in row 1",
    ),
    "a list with a hole": (
        lambda: column("x.parquet", [[1, 2], [2, None], [3, 4]]),
        {"path": "x.parquet"},
        "column 'b' has a list without a value in row 2",
    ),
    "a missing list": (
        lambda: column("x.parquet", [[1], None, [3]]),
        {"path": "x.parquet"},
        "column 'b' has no list in row 2",
    ),
    "a list whose columns have the names of others": (
        lambda: parquet.write_table(pyarrow.table({"b_0": [1.0], "b": [[2.0]]}), "x.parquet"),
        {"path": "x.parquet"},
        "2 are named 'b_0'",
    ),
    "nothing but an index": (
        lambda: write_bytes("x.csv", b",kind\n3,a\n1,b\n"),
        {"path": "x.csv", "labels": "kind"},
        "no column is left to be a feature",
    ),
    "bytes in parquet": (
        lambda: column("x.parquet", [pickle.dumps(Bomb())] * 3),
        {"path": "x.parquet"},
        "column 'b' holds binary",
    ),
    "null in parquet": (
        lambda: column("x.parquet", [1, None, 3]),
        {"path": "x.parquet"},
        "column 'b' has no value in row 2",
    ),
    "a class name of a megabyte": (
        lambda: column("x.parquet", ["x" * 2**20] * 3),
        {"path": "x.parquet", "labels": "b"},
        "a class has a name of 1048576 characters",
    ),
    "a parquet bomb": (
        lambda: parquet_bomb("x.parquet"),
        {"path": "x.parquet"},
        "GiB when it is read",
    ),
    "labels of another length": (
        lambda: (np.save("x.npy", X), np.save("y.npy", np.arange(39))),
        {"path": "x.npy", "labels": "y.npy"},
        "dataset.labels=y.npy has the shape (39,) for 40 samples",
    ),
    "labels of two columns": (
        lambda: (np.save("x.npy", X), np.save("y.npy", np.zeros((40, 2)))),
        {"path": "x.npy", "labels": "y.npy"},
        "has the shape (40, 2) for 40 samples",
    ),
    "text labels of two columns": (
        lambda: (np.save("x.npy", X), write_bytes("y.csv", b"1,2\n" * 40)),
        {"path": "x.npy", "labels": "y.csv"},
        "y.csv has more than one column",
    ),
    "fractional labels": (
        lambda: (np.save("x.npy", X), np.save("y.npy", np.linspace(0, 1, 40))),
        {"path": "x.npy", "labels": "y.npy"},
        "classes must be whole numbers or text",
    ),
    "NaN among labels": (
        lambda: (np.save("x.npy", X), np.save("y.npy", np.full(40, np.nan))),
        {"path": "x.npy", "labels": "y.npy"},
        "has no class for sample 1, but nan",
    ),
    "pickled labels": (
        lambda: (np.save("x.npy", X), np.save("y.npy", np.array([Bomb()] * 40))),
        {"path": "x.npy", "labels": "y.npy"},
        "y.npy holds pickled Python objects",
    ),
    "no file of labels": (
        lambda: np.save("x.npy", X),
        {"path": "x.npy", "labels": "y.npy"},
        "dataset.labels=y.npy does not exist",
    ),
    "labels of unknown kind": (
        lambda: (np.save("x.npy", X), write_bytes("y.pkl", pickle.dumps(Bomb()))),
        {"path": "x.npy", "labels": "y.pkl"},
        "dataset.labels=y.pkl is of unknown kind: it must end in .npy",
    ),
}


def zip_bomb(path):
    """A zip file that says truly that it unpacks to 100 TB (nothing need be written for that)."""
    np.savez_compressed(path, x=np.zeros((100, 100), np.float32))
    with open(path, "rb") as file:
        content = bytearray(file.read())
    central = content.rindex(b"PK\x01\x02")
    name, extra = struct.unpack_from("<HH", content, central + 28)
    size = struct.unpack_from("<I", content, central + 24)[0]
    struct.pack_into("<I", content, central + 24, 0xFFFFFFFF)
    zip64 = struct.pack("<HHQ", 1, 8, 10**14)
    struct.pack_into("<H", content, central + 30, extra + len(zip64))
    position = central + 46 + name + extra
    content[position:position] = zip64
    end = content.rindex(b"PK\x05\x06")
    directory = struct.unpack_from("<I", content, end + 12)[0]
    struct.pack_into("<I", content, end + 12, directory + len(zip64))
    assert size > 0
    write_bytes(path, bytes(content))


def parquet_bomb(path):
    """Few bytes that stand for 335 million numbers: row groups of one repeated value."""
    table = pyarrow.table({name: pyarrow.array(np.zeros(2**20)) for name in "abcdefgh"})
    with parquet.ParquetWriter(path, table.schema) as writer:
        for _ in range(40):
            writer.write_table(table)


def flipped(path, write):
    write()
    with open(path, "rb") as file:
        content = bytearray(file.read())
    content[len(content) // 2] ^= 1
    write_bytes(path, bytes(content))


def sparse_file(path, size):
    with open(path, "wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(size)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_input_is_one_line_and_never_executed(kind, tmp_path, monkeypatch):
    make, given, message = DAMAGED[kind]
    if kind.startswith("bytes that"):
        monkeypatch.setattr(gammvae.system.memory.os, "sysconf", lambda _: 2**15)
    if kind == "a parquet bomb":  # 2.7 GB of numbers, on a machine of 4 GiB
        monkeypatch.setattr(gammvae.system.memory.os, "sysconf", lambda _: 2**16)
    make()
    with pytest.raises(InputError) as error:
        read(**given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("header", ["", "kind\n"])
def test_a_class_less_than_rows_without_a_header_may_be_due_to_one(header):
    with open("y.txt", "w", encoding="utf-8") as file:
        file.write(header + "1\n" * (len(X) - 1))
    write_csv("z.csv", X[0], X[1:])
    with pytest.raises(InputError, match="; dataset.header=true takes its first line as names$"):
        read("z.csv", labels="y.txt")
    with pytest.raises(InputError, match="every sample must have one class$"):
        read("z.csv", labels="y.txt", header=False)


def test_spaces_belong_to_classes_of_text():
    kinds = [" a", "a", "b "] * 5
    write_csv("x.csv", ["u", "kind"], [[i / 7, kind] for i, kind in enumerate(kinds)])
    assert read("x.csv", labels="kind").y.tolist() == kinds


def test_a_name_with_a_tilde_is_a_name():
    np.save("~x.npy", X)
    np.testing.assert_array_equal(read("~x.npy").x, X)
    with pytest.raises(InputError, match="dataset.path=~nouser/p.npy does not exist"):
        read("~nouser/p.npy")
