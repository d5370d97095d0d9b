"""The coordinates that conversions hold, on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.whose import headed
from .result import OutliersResult
from .tables import coordinate_table, phi_table, tables_by_layer, title


def terminal(result: OutliersResult, _: Console) -> RenderableType:
    """φ before and after, the coordinates, and their shares and columns by layer."""
    of = headed(
        result.adapter or "untrained factors", result.base, result.method if result.adapter else ""
    )
    return Group(
        Text(f"{title(result)}; {of}", style="dim"),
        Text(f"convention {result.convention}, {result.convention_why}", style="dim"),
        table(phi_table(result)),
        table(coordinate_table(result)),
        *map(table, tables_by_layer(result)),
    )
