import re
import shutil
import subprocess

import pytest

from gammvae.tables.formats import Entry, Grid
from gammvae.tables.latex import MOST_LINES, escaped, to_latex, words


def test_notes_are_visible():
    text = to_latex(Grid(["a"], [[Entry("1", marks="+")]], ["+ without 5 % of a_b"]))
    assert r"+ without 5 \% of a\_b\par" in text
    assert re.findall(r"^%.*", text, re.MULTILINE) == [r"% needs \usepackage{booktabs,graphicx}"]
    assert "minipage" not in to_latex(Grid(["a"], [[Entry("1")]], []))


def test_signs_that_are_other_letters_in_latex_are_commands():
    assert escaped("p < .05 | a > b") == r"p \textless{} .05 \textbar{} a \textgreater{} b"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Entry("-12.22", "1.00", "a", bold=True), r"\textbf{$-$12.22} $\pm$ 1.00$^{a}$"),
        (Entry("-3.1 to -0.2"), "$-$3.1 to $-$0.2"),
        (Entry("ResNet-18, 1e-05"), "ResNet-18, 1e-05"),
        (Entry("-"), "-"),
    ],
)
def test_negative_numbers_have_a_minus_sign(entry, text):
    assert words(entry) == text


def test_braces_are_closed_and_the_width_is_that_of_the_text_at_most():
    text = to_latex(Grid(["a", "b"], [[Entry("x{"), Entry("2")]], ["n"], long=0))
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%" in text


def test_long_texts_are_numbered_notes():
    lines = [[Entry("1"), Entry("a long source")], [Entry("2"), Entry("b_c")]]
    text = to_latex(Grid(["n", "source"], [*lines, lines[0]], [], long=1))
    assert [line for line in text.splitlines() if line.startswith(("1 ", "2 "))] == [
        r"1 & [1] \\",
        r"2 & [2] \\",
        r"1 & [1] \\",
    ]
    assert "[1] a long source\\par\n[2] b\\_c\\par" in text


def test_a_table_longer_than_a_page_is_split_between_datasets():
    lines = [[Entry(dataset), Entry(str(n))] for dataset in "abc" for n in range(17)]
    text = to_latex(Grid(["dataset", "n"], lines, ["note"]))
    first, second = text.split(r"\begin{tabular}")[1:]
    assert (first.count("a & "), first.count("b & "), first.count("c & ")) == (17, 17, 0)
    assert second.count("c & ") == 17
    assert text.count(r"note\par") == 1
    assert to_latex(Grid(["dataset", "n"], lines[:MOST_LINES], [])).count("tabular}{") == 1


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex, graphicx")
def test_latex_makes_pages_on_which_everything_fits(tmp_path):
    wide = [
        [Entry(f"data_{n // 20}"), Entry("a row | < 5 %"), Entry("-1.25", "0.30", "a+", bold=True)]
        + [Entry("93.70", "2.60")] * 6
        + [Entry("a source & its table, page 3")]
        for n in range(60)
    ]
    grid = Grid([str(n) for n in range(10)], wide, ["p < .05"], long=9)
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        + to_latex(grid)
        + "\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
    assert "Output written on t.pdf" in done.stdout
