"""What is in an adapter, on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.many_rows import condensed, said_of
from ...show.whose import headed
from .result import Inventory
from .tables import dense_table, module_table, tables


def terminal(result: Inventory, _: Console) -> RenderableType:
    """Whose it is, then the same tables."""
    convention = f", convention {result.convention}" if result.convention else ""
    source = f", source {result.source}" if result.source else ""
    base = "" if result.base else ", base not named"
    head = f"{headed(result.adapter, result.base, result.method)}{convention}{source}{base}"
    found = tables(result)
    first = condensed(module_table(result)) if result.modules else dense_table(result)
    return Group(
        Text(head, style="dim"),
        table(first, wide=not result.modules),
        *(Text(line, style="dim") for line in said_of(len(result.modules))),
        *(table(one, wide=True) for one in found[1:]),
    )
