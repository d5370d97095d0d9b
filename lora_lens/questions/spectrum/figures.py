"""Singular values, ranks and relative norms of ΔW by layer, described."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...core.numbers.scaled import values_of_order_one
from ...show.delta_named import symbol
from ...show.figure import (
    Axis,
    Block,
    HeatMap,
    Line,
    Panel,
    Scale,
    Sheet,
    View,
    in_rows,
    named,
    numbers,
    on_one_axis,
    positions,
)
from ...show.layout import layer_number
from ...show.singular_values import layer_scales, singular_panel
from ...show.whose import whose
from .intruder_figures import intruder_sheet
from .result import LayerSpectrum, Spectrum

_MOST = 256  # columns of a heat map
_MOST_COLUMNS = 4  # modules beside each other
_RANKS = {
    "rank": ("rank r", "grey", "dot", ""),
    "effective_rank_s": ("effective rank (s)", 0, "solid", "circle"),
    "effective_rank_s2": ("effective rank (s²)", 1, "dash", "square"),
    "stable_rank": ("stable rank", 2, "dashdot", "up"),
    "rank_95": ("rank for 95 % of energy", 3, "none", "diamond"),
}
_NORMS = {
    "relative_frobenius_norm": ("Frobenius norms", "solid", "circle"),
    "relative_spectral_norm": ("spectral norms", "dash", "square"),
}


def figures(result: Spectrum) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    intruders = (
        {"-intruders": intruder_sheet(result)}
        if any(one.beside_w0 for one in result.layers)
        else {}
    )
    return {"": spectrum_sheet(result), **intruders}


def rank_panel(layers: Sequence[LayerSpectrum]) -> Panel:
    """Rank, effective ranks, stable rank and the rank for 95 % of the energy, by layer."""
    x = positions(layers)
    marks = [
        Line(x, numbers([getattr(one, key) for one in layers]), label, colour, dash, marker)  # type: ignore[arg-type]
        for key, (label, colour, dash, marker) in _RANKS.items()
    ]
    axis = named("layer", [layer_number(one.layer) for one in layers])
    return Panel("", axis, Axis("directions", low=0), tuple(marks), legend="right")


def norm_panel(layers: Sequence[LayerSpectrum]) -> Panel:
    """Norms of ΔW relative to W0's, by layer."""
    x = positions(layers)
    values = {key: [getattr(one.beside_w0, key, None) for one in layers] for key in _NORMS}
    marks = [
        Line(x, numbers(values[key]), label, k, dash, marker)  # type: ignore[arg-type]
        for k, (key, (label, dash, marker)) in enumerate(_NORMS.items())
    ]
    axis = named("layer", [layer_number(one.layer) for one in layers])
    return Panel("", axis, Axis("‖ΔW‖ / ‖W0‖", low=0), tuple(marks), legend="right")


def singular_heat(layers: Sequence[LayerSpectrum]) -> HeatMap:
    """Singular values, the largest of a dense ΔW's, and their share of all energy; a row a layer, nothing beyond its rank."""
    width = min(_MOST, max(len(one.singular_values) for one in layers))
    values = np.full((len(layers), width), np.nan)
    for row, one in zip(values, layers, strict=True):
        row[: len(one.singular_values)] = one.singular_values[:width]
    energy = np.full((len(layers), width), np.nan)
    for row, one in zip(energy, layers, strict=True):
        squares = np.square(values_of_order_one(np.array(one.singular_values)))
        if (total := squares.sum()) > 0:
            row[: len(squares)] = squares[:width] / total
    hover = (
        "layer {row}, singular value {column}",
        "σ = {value}",
        "share of energy {energy}",
    )
    made = HeatMap(
        rows=tuple(layer_number(one.layer) for one in layers),
        columns=tuple(str(k + 1) for k in range(width)),
        quantities={"value": values, "energy": energy},
        views=(
            View("value", 0, 1, words=f"Singular values of {symbol(one.matrix for one in layers)}, largest first.",
                 chosen={"view": "value"}, hover=hover),
            View("energy", 0, 1, words="σ²/Σσ² of each layer.", chosen={"view": "energy"},
                 hover=hover),
        ),
        decimals=None,
    )  # fmt: skip
    return replace(
        made, views=tuple(replace(view, high=made.top(view) or 1.0) for view in made.views)
    )


def spectrum_sheet(result: Spectrum) -> Sheet:
    """A column a module: ΔW's singular values; its ranks by layer; where W0 is at hand, relative norms.

    Of more than four modules the others stand below, in blocks of four.
    """
    of = [result.of(module) for module in result.modules]
    last = max(layer.layer or 0 for layer in result.layers)
    width = min(4.5, max(3.0, 0.12 * max(map(len, of)) + 1.5))
    kinds = [
        [singular_panel(layers, last, layers[0].module) for layers in of],
        [rank_panel(layers) for layers in of],
    ]
    if any(one.beside_w0 for one in result.layers):
        kinds.append([norm_panel(layers) for layers in of])
    # Beside them, legends would push the colour scale far from its panels.
    kinds = [[replace(panel, legend="row") for panel in panels] for panels in kinds]
    rows = [in_rows(on_one_axis(panels), _MOST_COLUMNS) for panels in kinds]
    blocks = tuple(_block(some, layer_scales(result.layers)) for some in zip(*rows, strict=True))
    return Sheet(
        blocks,
        (width * blocks[0].columns + 1.2, (2.9 * len(kinds) + 0.3) * len(blocks) + 0.2),
        note=whose({"": result.adapter}, result.base),
    )


def _block(rows: Sequence[Sequence[Panel | None]], scales: Sequence[Scale]) -> Block:
    """Panels of the same modules below each other; the scales are of the first row."""
    first = tuple((0, c) for c, one in enumerate(rows[0]) if one is not None)
    return Block(
        rows,
        scales=tuple(replace(one, at=first) for one in scales),
        joined=True,
        narrow="wrap",
    )


def largest(layers: Sequence[LayerSpectrum]) -> float:
    """The largest singular value there is."""
    return max((one.spectral_norm for one in layers), default=math.nan)
