"""Parts of a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...show.layout import Table
from ...show.text import as_markdown

NOTHING = "Nothing of this is there yet."


def shown(table: Table) -> str:
    """A table under its title."""
    return as_markdown([table]).strip()


def pictures(figures: Sequence[str], wanted: Mapping[str, str]) -> Iterator[str]:
    """Those of the wanted figures that are there, each with its words."""
    for name, words in wanted.items():
        if f"{name}.png" in figures:
            yield f"![{words}](figures/{name}.png)"
