"""φ between the layers' factors at one step, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from ...core.similarity.pairwise import phi_of_every_pair
from ...labelled import Array
from ...show.drawing.with_matplotlib import sheet
from ...show.figure import Block, HeatMap, Panel, Scale, Sheet, View, named, round_top
from ...show.wording import red_on_scale
from .measuring import LayerBases

_DOTS = 100  # an inch
_TITLE, _NOTE = 0.7, 0.7  # inches above and below the panels


def layer_sheet(bases: Mapping[str, LayerBases], step: int) -> Sheet:
    """A row a module: φ between every two layers, of A's row spaces and of B's column spaces.

    Args:
        bases: Of each module, one at least.
        step: Of the run.
    """
    found = [
        (module, own.layers, [(side, phi_of_every_pair(us)) for side, us in _sides(own)])
        for module, own in bases.items()
    ]
    off = max(
        float(phi[~np.eye(len(phi), dtype=bool)].max()) for _, _, sides in found for _, phi in sides
    )
    top = round_top(off)
    chance = {us[0].shape[1] / us[0].shape[0] for own in bases.values() for _, us in _sides(own)}
    rows = [
        [_panel(f"{module}: {side}", phi, layers, top) for side, phi in sides]
        for module, layers, sides in found
    ]
    marks = tuple(sorted(share for share in chance if share < top))
    return Sheet(
        (Block(rows, scales=(Scale(0, top, "φ", marks=marks),)),),
        (8.5, 0.8 + 3.4 * len(rows)),
        title=f"φ between layers at step {step}",
        note=red_on_scale(marks),
    )


def _sides(own: LayerBases) -> tuple[tuple[str, Sequence[Tensor]], ...]:
    return ("A's rows", own.a), ("B's columns", own.b)


def _panel(title: str, phi: Array, layers: Sequence[int], top: float) -> Panel:
    names = tuple(map(str, layers))
    heat = HeatMap(names, names, {"phi": phi}, (View("phi", 0, top),), diagonal=True)
    return Panel(title, x=named("layer", layers), y=named("layer", layers), heat=heat)


def pixels_of(described: Sheet) -> Array:
    """The sheet as (height, width, 3) bytes."""
    # A figure that fits its margins to its words draws them all twice, and training waits.
    figure = Figure(figsize=described.size, dpi=_DOTS)
    below, above = _NOTE / described.size[1], 1 - _TITLE / described.size[1]
    figure.subplots_adjust(0.07, below, 0.95, above, wspace=0.1, hspace=0.25)
    canvas = FigureCanvasAgg(figure)
    sheet(described, figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
