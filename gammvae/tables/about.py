"""One sentence about each row, below a table."""

from collections.abc import Mapping

from gammvae.tables.latex import escaped, notes_below


def to_terminal(about: Mapping[str, str]) -> str:
    """A line for every row.

    Args:
        about: Sentences by name of the row.
    """
    return "\n".join(f"{row}: {sentence}" for row, sentence in about.items())


def to_markdown(about: Mapping[str, str]) -> str:
    """A list, with the names in bold type; see ``to_terminal``."""
    lines = (f"- **{literal(row)}**: {literal(sentence)}" for row, sentence in about.items())
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Text without Markdown's emphasis and links."""
    for special in "\\*_[]`<":
        text = text.replace(special, f"\\{special}")
    return text


def to_latex(about: Mapping[str, str]) -> str:
    """Notes in small type, as wide as the text; see ``to_terminal``."""
    lines = (
        rf"\textbf{{{escaped(row)}}}: {escaped(sentence)}\par" for row, sentence in about.items()
    )
    return "\n".join(notes_below(lines)) + "\n"
