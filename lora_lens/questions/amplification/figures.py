"""How much ΔW amplifies directions of W0, by layer, described: Table 7 of Hu et al. 2022 as a figure."""

from __future__ import annotations

import math

import numpy as np

from ...show.figure import Axis, Bars, Block, Line, Panel, Sheet, named, numbers, positions
from ...show.whose import whose
from .result import Amplification


def figures(result: Amplification) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": amplification_sheet(result)}


def norm_panel(result: Amplification) -> Panel:
    """‖UᵀW0V‖_F by layer in the directions of ΔW, of W0, and random ones, beside ‖ΔW‖_F; log scale."""
    layers = result.layers
    series = {
        "W0 in its own top r": [one.w0_in_w0 for one in layers],
        "‖ΔW‖_F": [one.delta_norm for one in layers],
        "W0 in ΔW's top r": [one.w0_in_delta for one in layers],
        "W0 in r random ones": [one.w0_in_random for one in layers],
    }
    styles = zip(
        (0, 1, 2, "grey"), ("dash", "solid", "dashdot", "dot"), ("square", "circle", "up", ""),
        strict=True,
    )  # fmt: skip
    marks = tuple(
        Line(positions(layers), numbers([v or None for v in values]), label, *style)  # type: ignore[arg-type]
        for (label, values), style in zip(series.items(), styles, strict=True)
    )
    return Panel(
        title=f"W0 seen in r directions, {result.module}",
        x=named("layer", [one.layer for one in layers]),
        y=Axis("Frobenius norm", log=True),
        marks=marks,
        legend="below",
    )


def factor_panel(result: Amplification) -> Panel:
    """The amplification factor by layer, and what it would be in random directions."""
    layers = result.layers
    x = positions(layers)
    factors = numbers([one.factor if math.isfinite(one.factor) else None for one in layers])
    chance = numbers([one.delta_norm / (one.w0_in_random or math.nan) for one in layers])
    return Panel(
        title="Amplification factor",
        x=named("layer", [one.layer for one in layers]),
        y=Axis("‖ΔW‖_F / ‖UᵀW0V‖_F", low=0),
        marks=(
            Bars(x, np.zeros(len(x)), factors, None, "in ΔW's directions", "pale", width=0.6),
            Line(x, chance, "in random directions", "black", "none", "bar"),
        ),
        legend="below",
    )


def amplification_sheet(result: Amplification) -> Sheet:
    """`norm_panel` beside `factor_panel`, and whose they are."""
    width = min(7.0, max(4.2, 0.2 * len(result.layers) + 2))
    return Sheet(
        (Block([[norm_panel(result), factor_panel(result)]]),),
        (2 * width + 0.4, 4.1),
        note=whose({"": result.adapter}, result.base),
    )
