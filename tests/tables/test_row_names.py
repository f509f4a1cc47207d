from gammvae.runs.naming import MAX_NAME
from gammvae.tables.results import collect
from gammvae.tables.row_names import with_telling_names
from tests.tables.test_results import write_run


def cut(digest):
    """The name of a folder that holds no more of its settings than all others."""
    return f"{'a' * MAX_NAME}-{digest:08x}"


def rows(tmp_path):
    return {(run.row, run.seed) for run in with_telling_names(collect([tmp_path]))}


def test_rows_whose_names_are_cut_show_in_what_they_differ(tmp_path):
    write_run(tmp_path, "usps", "vade", 0, 0.5)
    for digest, batch in ((1, 64), (2, None)):
        for seed in (0, 1):
            write_run(tmp_path, "usps", "vade", seed, 0.5, cut(digest), batch_size=batch)
    write_run(tmp_path, "usps", "dec", 0, 0.5, cut(3))  # the only one of its model
    assert rows(tmp_path) == {
        ("vade", 0),
        *(("vade batch_size=64", seed) for seed in (0, 1)),
        *(("vade batch_size=null", seed) for seed in (0, 1)),
        (f"dec {cut(3)}", 0),
    }


def test_rows_that_settings_do_not_tell_apart_keep_their_names(tmp_path):
    for digest in (1, 2):
        write_run(tmp_path, "usps", "vade", 0, 0.5, cut(digest))
    write_run(tmp_path, "usps", "dec", 0, 0.5)
    assert rows(tmp_path) == {*((f"vade {cut(digest)}", 0) for digest in (1, 2)), ("dec", 0)}


def test_a_row_of_several_datasets_keeps_one_name(tmp_path):
    for dataset in ("usps", "mnist"):
        for digest, batch in ((1, 64), (2, 32)):
            write_run(tmp_path, dataset, "vade", 0, 0.5, cut(digest), batch_size=batch)
    assert rows(tmp_path) == {("vade batch_size=64", 0), ("vade batch_size=32", 0)}
