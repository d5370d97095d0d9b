"""A run's checkpoints on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.whose import headed
from .result import DynamicsResult
from .tables import mean_tables


def terminal(result: DynamicsResult, _: Console) -> RenderableType:
    """The tables of means."""
    return Group(
        Text(f"run {headed(result.run, result.base, result.method)}", style="dim"),
        *map(table, mean_tables(result)),
    )
