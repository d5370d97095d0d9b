"""A survey as a page that is sent to others: ``survey.md``."""

from __future__ import annotations

from collections.abc import Sequence

from ..show.layout import Table
from ..show.text import as_markdown


def page(said: Sequence[str], tables: Sequence[Table], notes: Sequence[str]) -> str:
    """GitHub's Markdown: what is said, what a reader has to know beside it, and the tables.

    Example:
        >>> print(page(["2 adapters."], [Table("Norms", ["layer"], [["0"]])], ["z are no test"]))
        2 adapters.
        <BLANKLINE>
        - z are no test
        <BLANKLINE>
        **Norms**
        <BLANKLINE>
        |   layer |
        |--------:|
        |       0 |
        <BLANKLINE>
    """
    parts = [*map(_line, said)]
    if notes:
        parts.append("\n".join(f"- {_line(note)}" for note in notes))
    if tables:
        parts.append(as_markdown(tables).rstrip("\n"))
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    return as_markdown((), said=text).rstrip("\n")
