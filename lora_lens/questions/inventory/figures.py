"""Singular values of ΔW, layer by layer, described."""

from __future__ import annotations

from ...show.figure import Block, Panel, Sheet
from ...show.singular_values import layer_scales, singular_panel
from .result import Inventory

_MOST_COLUMNS = 4


def figures(result: Inventory) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": inventory_sheet(result)}


def inventory_sheet(result: Inventory) -> Sheet:
    """`singular_panel`, a panel a module."""
    modules = list(dict.fromkeys(summary.module for summary in result.modules))
    columns = min(_MOST_COLUMNS, len(modules))
    rows = -(-len(modules) // columns)
    last = max(summary.layer or 0 for summary in result.modules)
    panels: list[Panel | None] = [
        singular_panel([one for one in result.modules if one.module == module], last, module)
        for module in modules
    ]
    panels += [None] * (rows * columns - len(panels))
    lines = [panels[k : k + columns] for k in range(0, len(panels), columns)]
    return Sheet(
        (Block(lines, scales=layer_scales(result.modules), joined=True),),
        (3.2 * columns + 1, 2.8 * rows),
    )
