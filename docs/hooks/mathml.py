"""Turns formulas into MathML when the site is built, so that no page needs a script for them."""

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

# As pymdownx.arithmatex leaves them with `generic: true`.
INLINE = re.compile(r'<span class="arithmatex">\\\((?P<latex>.*?)\\\)</span>', re.DOTALL)
DISPLAY = re.compile(r'<div class="arithmatex">\s*\\\[(?P<latex>.*?)\\\]\s*</div>', re.DOTALL)

# What latex2mathml knows in another spelling only.
SPELLINGS = {
    r"\{aligned\}": "{align*}",
    r"\\arg\s*\\(max|min)": r"\\operatorname{arg\1}",
    r"\\operatorname\*": r"\\operatorname",
}
# What it leaves behind where it does not understand: a name of LaTeX's, a mark of a column, the
# empty name of an operator.
LEFT_OVER = re.compile(r">(\\[a-zA-Z]+|&)<|<mo ?/>")
# A function and its argument, between which browsers leave no space.
FUNCTION = re.compile(
    r"(<mi>(?:log|exp|max|min|sup|inf|tanh)</mi>)(?=<m(?:i|n|sub|sup|over|frac)\b)"
)


def on_page_content(content: str, page: "Page", **_: object) -> str:
    """Replaces the formulas of a page.

    Raises:
        PluginError: One of them cannot be converted.
    """
    from mkdocs.exceptions import PluginError

    try:
        content = INLINE.sub(lambda found: mathml(found["latex"], "inline"), content)
        return DISPLAY.sub(lambda found: mathml(found["latex"], "block"), content)
    except ValueError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def mathml(latex: str, display: str) -> str:
    """A formula in MathML.

    Args:
        latex: As it stands in HTML, with ``&amp;`` for ``&``.
        display: ``inline`` or ``block``.

    Raises:
        ValueError: latex2mathml does not understand it.
    """
    from latex2mathml.converter import convert

    plain = html.unescape(latex).strip()
    spelled = plain
    for pattern, known in SPELLINGS.items():
        spelled = re.sub(pattern, known, spelled)
    try:
        converted = convert(spelled, display=display)
    except Exception as error:  # the package's own have no base class of their own
        raise ValueError(f"{type(error).__name__} in the formula {plain}") from error
    if unknown := LEFT_OVER.search(converted):
        raise ValueError(f"{unknown[1] or 'a name'} is not known in the formula {plain}")
    converted = converted.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # a relation's space
    converted = FUNCTION.sub(r'\1<mspace width="0.167em" />', converted)
    return f'<div class="formula">{converted}</div>' if display == "block" else converted
