"""φ between many adapters on the terminal."""

from __future__ import annotations

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...show.console import table
from .result import MatrixResult
from .tables import MOST_IN_GRID, cluster_table, grid_table, pair_table, title


def terminal(result: MatrixResult, _: Console) -> RenderableType:
    """The grid of few adapters; of any number the closest pairs and the clusters."""
    parts: list[RenderableType] = []
    if len(result) <= MOST_IN_GRID:
        parts.append(table(grid_table(result)))
    else:
        values = result.values[result.pairs()]
        low, middle, high = np.quantile(values, (0, 0.5, 1))
        parts += [
            Text(title(result), style="dim"),
            Text(f"lowest φ {low:.3f}, median {middle:.3f}, highest {high:.3f}"),
        ]
    return Group(
        *parts,
        table(pair_table(result)),
        *([table(cluster_table(result), wide=True)] if len(result) > 2 else []),
    )
