"""φ(i, j) on the terminal."""

from __future__ import annotations

import numpy as np
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ...show.console import shaded_grid, table
from .result import RankGrid, RankGrids
from .tables import corner_table, kind_named, names, ticks, title

_MOST_GRIDS = 4  # on the terminal; beyond them the reader chooses


def terminal(result: RankGrids, console: Console) -> RenderableType:
    """The corners of the grids beside chance, and the grids on shaded cells where they are few."""
    parts: list[RenderableType] = [
        Text(title(result), style="dim"),
        *(Text(f"{name + ':':<7} {source}", style="dim") for name, source in names(result)),
        table(corner_table(result)),
    ]
    if len(result) <= _MOST_GRIDS:
        grids = Columns([_shaded(grid, console) for grid in result], padding=(1, 3))
        parts.append(Padding(grids, (1, 0, 0, 0)))
    else:
        hint = "a layer's grids in full: --layer N; one matrix alone: --matrix"
        parts.append(Text(hint, style="dim"))
    return Group(*parts)


def _shaded(grid: RankGrid, console: Console) -> RenderableType:
    rows, columns = (ticks(count) for count in grid.shape)
    values = grid.values[np.ix_([i - 1 for i in rows], [j - 1 for j in columns])]
    what = f"{kind_named(grid)}, layer {grid.layer}"
    return shaded_grid(what, rows, columns, values, console, corner="i\\j ")
