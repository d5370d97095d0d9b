"""Amplification factors on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.whose import headed
from .result import Amplification
from .tables import layer_table


def terminal(result: Amplification, _: Console) -> RenderableType:
    """Whose it is, and the table."""
    return Group(
        Text(headed(result.adapter, result.base), style="dim"),
        table(layer_table(result)),
    )
