"""Spectra of ΔW and W0 on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...several import counted
from ...show.console import table
from ...show.many_rows import said_of
from ...show.whose import headed
from .result import Spectrum
from .tables import RANK_PATTERN, layer_tables

_MOST_PASTED = 8  # modules whose ranks are printed to be pasted; of more they are in a file


def terminal(result: Spectrum, _: Console) -> RenderableType:
    """The same tables, but for the ranks suggested, which are printed to be pasted."""
    return Group(
        Text(f"Spectra of {headed(result.adapter, result.base)}", style="dim"),
        *map(table, layer_tables(result)),
        *(Text(line, style="dim") for line in said_of(len(result.layers))),
    )


def suggested(result: Spectrum, *, written: bool) -> tuple[str, str]:
    """What the ranks suggested come to, and PEFT's patterns of them, or nothing where the words say where these are.

    Args:
        result: Whose ranks.
        written: Whether its files are.
    """
    suggestion = result.suggestion
    modules, snippet = len(suggestion.rank_pattern), suggestion.snippet()
    if not snippet or not (written or modules > _MOST_PASTED):
        return suggestion.summary, snippet
    where = (
        f"{result.stem}{RANK_PATTERN} of --out has them"
        if written
        else "--out writes them, and ll.suggest_ranks(…).snippet() gives them"
    )
    return (
        f"{suggestion.summary}; for PEFT's LoraConfig, of {counted(modules, 'module')}: {where}",
        "",
    )
