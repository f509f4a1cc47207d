from gammvae.tables.about import to_latex, to_markdown, to_terminal

ABOUT = {"a_b*": "50 % of *all* [x](y).", "c": "One & two."}


def test_a_line_for_every_row():
    assert to_terminal(ABOUT) == "a_b*: 50 % of *all* [x](y).\nc: One & two."
    assert to_terminal({}) == ""


def test_markdown_takes_nothing_for_emphasis_or_links():
    assert to_markdown(ABOUT).splitlines() == [
        r"- **a\_b\***: 50 % of \*all\* \[x\](y).",
        "- **c**: One & two.",
    ]


def test_latex_is_escaped_and_closed():
    first, *lines, last = to_latex(ABOUT).splitlines()
    assert lines[0] == r"\textbf{a\_b*}: 50 \% of *all* [x](y).\par"
    assert lines[1] == r"\textbf{c}: One \& two.\par"
    assert (first.count(r"\begin{minipage}"), last) == (1, r"\end{minipage}")
