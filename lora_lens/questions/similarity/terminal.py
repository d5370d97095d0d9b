"""φ between layers on the terminal."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ...show.console import notes, numbers_in, shaded_grid, table
from ...show.layout import LABELS
from ...show.whose import headed
from .neighbours import neighbours
from .result import LayerGrid, SimilarityResult
from .tables import MOST_BLOCKS, MOST_LAYERS, chance_notes, chance_table, highest_pairs, title
from .words import distinct

_NARROWER = (2, 1)  # cells of shades alone, where their numbers do not fit


def terminal(result: SimilarityResult, console: Console) -> RenderableType:
    """The means beside the nulls, then grids side by side where they fit; BA is left out where it is B."""
    grids = Columns([_shaded(grid, console) for grid in distinct(result).values()], padding=(1, 3))
    return Group(
        Text(f"{title(result)}; {headed(result.adapter, result.base, result.method)}", style="dim"),
        Text(f"convention {result.convention}, {result.convention_why}", style="dim"),
        table(chance_table(result)),
        *notes(chance_notes(result)),
        Padding(grids, (1, 0, 0, 0)),
        Text(f"\n{highest_pairs(result)}"),
        *(Text(line, style="dim") for line in _left_out(result)),
    )


def _shaded(grid: LayerGrid, console: Console) -> RenderableType:
    name = LABELS[grid.matrix]
    if len(grid.layers) <= MOST_LAYERS:
        return shaded_grid(name, grid.layers, grid.layers, grid.values, console, narrower=_NARROWER)
    blocks = min(MOST_BLOCKS, numbers_in(console.width))
    size, first, means = neighbours(grid.layers, grid.values, blocks)
    title = f"{name}, means of {size} × {size} layers"
    return shaded_grid(title, first, first, means, console)


def _left_out(result: SimilarityResult) -> list[str]:
    """That pairs of layers are not shown one by one, and where they are; a line or none."""
    layers = len(result.layers)
    if layers <= MOST_LAYERS:
        return []
    return [
        f"{layers} layers are too many for a row each: these are means over neighbours, named by the first of them; "
        "every pair is in --json, and in the figure and files of --out"
    ]
