import re

from gammvae.tables.formats import Entry, Grid, listed, to_latex


def test_notes_are_visible_in_latex():
    text = to_latex(Grid(["a"], [[Entry("1", marks="+")]], ["+ without 5 % of a_b"]))
    assert r"+ without 5 \% of a\_b\par" in text
    assert re.findall(r"^%.*", text, re.MULTILINE) == [r"% needs \usepackage{booktabs}"]
    assert "minipage" not in to_latex(Grid(["a"], [[Entry("1")]], []))


def test_names_with_commas_are_told_apart_in_a_list():
    assert listed(["a b", "c,d", "e"]) == "a b, 'c,d', e"
