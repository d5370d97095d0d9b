"""φ between two adapters on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import notes, table
from ...show.layout import called_apart
from .result import ComparisonResult
from .tables import chance_notes, chance_table, layer_table


def terminal(result: ComparisonResult, _: Console) -> RenderableType:
    """Whose they are, and both tables."""
    one, other = called_apart(result.one, result.other)
    return Group(
        Text(f"one:   {one}\nother: {other}", style="dim"),
        table(chance_table(result)),
        *notes(chance_notes(result)),
        table(layer_table(result)),
    )
