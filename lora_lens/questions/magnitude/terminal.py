"""ΔM and ΔD on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.whose import headed
from .result import MagnitudeAndDirection
from .tables import correlation_table, layer_table


def terminal(result: MagnitudeAndDirection, _: Console) -> RenderableType:
    """Whose it is, and the tables."""
    parts: list[RenderableType] = [
        Text(headed(result.adapter, result.base), style="dim"),
        table(layer_table(result)),
    ]
    return Group(*parts, *([table(correlation_table(result))] if result.together else []))
