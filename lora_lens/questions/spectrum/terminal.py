"""Spectra of ΔW and W0 on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.many_rows import said_of
from ...show.whose import headed
from .result import Spectrum
from .tables import layer_tables


def terminal(result: Spectrum, _: Console) -> RenderableType:
    """The same tables, but for the ranks suggested, which are printed to be pasted."""
    return Group(
        Text(f"Spectra of {headed(result.adapter, result.base)}", style="dim"),
        *map(table, layer_tables(result)),
        *(Text(line, style="dim") for line in said_of(len(result.layers))),
    )
