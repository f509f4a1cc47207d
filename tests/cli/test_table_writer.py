import csv

import pyarrow
import pytest
from pyarrow import parquet

from gammvae.cli.table_writer import write_table
from gammvae.errors import InputError


def parts():
    """Rows of all types in parts of different lengths, with a missing value and a comma."""
    rows = [{"name": f"n, {i}", "x": i / 7, "n": None if i == 3 else i} for i in range(10)]
    table = pyarrow.Table.from_pylist(rows)
    return table, iter([table.slice(0, 4), table.slice(4, 1), table.slice(5)])


@pytest.mark.parametrize("rows_of_a_group", [1, 5, 2**16])
def test_parts_become_one_table(rows_of_a_group, tmp_path, monkeypatch):
    monkeypatch.setattr("gammvae.cli.table_writer.GROUP_ROWS", rows_of_a_group)
    whole, pieces = parts()
    write_table(tmp_path / "new/t.parquet", pieces)
    assert parquet.read_table(tmp_path / "new/t.parquet") == whole
    _, pieces = parts()
    write_table(tmp_path / "t.CSV", pieces)
    with (tmp_path / "t.CSV").open(newline="") as file:
        head, *lines = csv.reader(file)
    assert head == ["name", "x", "n"]
    assert [line[0] for line in lines] == whole["name"].to_pylist()
    assert [float(line[1]) for line in lines] == whole["x"].to_pylist()
    assert [line[2] for line in lines] == ["" if i == 3 else str(i) for i in range(10)]


def test_lists_and_bytes_cannot_be_text(tmp_path):
    for values in ([[1, 2], [3]], [b"\xff", b"\xfe"]):
        with pytest.raises(InputError, match="cannot hold columns of lists or bytes"):
            write_table(tmp_path / "t.csv", [pyarrow.table({"a": values})])
        assert not list(tmp_path.iterdir())
