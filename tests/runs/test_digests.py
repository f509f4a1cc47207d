import hashlib
import json

import pytest

from gammvae.errors import InputError
from gammvae.runs.contents import ASSIGNMENTS, DATA, DIGESTS, METRICS, RESULT
from gammvae.runs.digests import check_digest, digests_of, file_digest
from gammvae.runs.directory import RunDirectory
from tests.conftest import compose_config
from tests.runs.test_directory import write_run


def test_a_file_has_the_digest_of_its_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == "sha256:" + hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(InputError, match="is not a file"):
        file_digest(tmp_path)


def test_outputs_weights_and_the_result_have_a_digest(tmp_path):
    for name in (METRICS, ASSIGNMENTS, DATA, "train.pt", "report.html"):
        (tmp_path / name).write_text(name)
    found = digests_of(tmp_path, "the result")
    assert list(found) == [METRICS, ASSIGNMENTS, DATA, "train.pt", RESULT]
    (tmp_path / RESULT).write_text("the result")
    assert found == {name: file_digest(tmp_path / name) for name in found}


def test_what_was_changed_or_removed_is_refused(tmp_path):
    (tmp_path / DATA).write_text("mine")
    check_digest(tmp_path, DATA)  # as of versions that kept none
    kept = {name: file_digest(tmp_path / DATA) for name in (METRICS, ASSIGNMENTS, DATA, RESULT)}
    (tmp_path / DIGESTS).write_text(json.dumps(kept))
    check_digest(tmp_path, DATA)
    with pytest.raises(InputError, match=r"metrics\.jsonl is missing"):
        check_digest(tmp_path, METRICS)
    (tmp_path / DATA).write_text("theirs")
    with pytest.raises(InputError, match=r"data\.npz is damaged or was changed"):
        check_digest(tmp_path, DATA)


def test_digests_that_lack_an_output_are_damaged(tmp_path):
    directory, config = RunDirectory(tmp_path), compose_config()
    write_run(directory, config)
    (tmp_path / DIGESTS).write_text("{}")
    with pytest.raises(InputError, match=r"digests\.json is damaged: it lacks result\.json"):
        directory.read_result()
