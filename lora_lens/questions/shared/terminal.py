"""A shared layer's numbers on the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from ...show.many_rows import MOST_LAYERS, said_of
from ...show.whose import headed
from .result import SharedResult
from .tables import chance_table, every_predicted, title


def terminal(result: SharedResult, _: Console) -> RenderableType:
    """The means beside the nulls, and the layers."""
    return Group(
        Text(f"{title(result)}; {headed(result.adapter, result.base, result.method)}", style="dim"),
        *map(table, every_predicted(result)),
        *(
            Text(line, style="dim")
            for line in said_of(len(result.layers), "layers", most=MOST_LAYERS)
        ),
        Text(
            f"\nconversions by the convention {result.convention}, {result.convention_why}",
            style="dim",
        ),
        table(chance_table(result)),
    )
