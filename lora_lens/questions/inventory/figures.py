"""Singular values of ΔW, layer by layer, described."""

from __future__ import annotations

from ...show.figure import Block, Sheet, in_rows, on_one_axis
from ...show.singular_values import layer_scales, singular_panel
from ...show.whose import whose
from .result import Inventory

_MOST_COLUMNS = 4


def figures(result: Inventory) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem; none of what was trained in full alone."""
    return {"": inventory_sheet(result)} if result.modules else {}


def inventory_sheet(result: Inventory) -> Sheet:
    """`singular_panel`, a panel a module."""
    modules = list(dict.fromkeys(summary.module for summary in result.modules))
    last = max(summary.layer or 0 for summary in result.modules)
    panels = [
        singular_panel([one for one in result.modules if one.module == module], last, module)
        for module in modules
    ]
    rows = in_rows(on_one_axis(panels), _MOST_COLUMNS)
    return Sheet(
        (Block(rows, scales=layer_scales(result.modules), joined=True),),
        (3.2 * len(rows[0]) + 1, 2.8 * len(rows) + 0.2),
        note=whose({"": result.adapter}, result.base),
    )
