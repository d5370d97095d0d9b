"""Ranks that would hold most of ΔW, described: a row a module, a column a layer."""

from __future__ import annotations

import numpy as np

from ...files.names import short_names, split_layer
from ...show.figure import Axis, Block, HeatMap, Panel, Scale, Sheet, View
from ...show.layout import layer_number
from ...show.wording import span
from .suggestion_result import RankSuggestion


def suggestion_panel(result: RankSuggestion) -> Panel:
    """The suggested rank in every cell, shaded from none to the largest that was trained; 0 where ΔW is zero."""
    places = {one.name: split_layer(one.name) or (one.name, None) for one in result.layers}
    names = short_names(pattern for pattern, _ in places.values())
    layers = sorted(
        {layer for _, layer in places.values()}, key=lambda one: (one is None, one or 0)
    )
    ranks = np.full((len(names), len(layers)), np.nan)
    row, column = list(names).index, layers.index
    for one in result.layers:
        pattern, layer = places[one.name]
        ranks[row(pattern), column(layer)] = one.suggested
    made = HeatMap(
        rows=tuple(names.values()),
        columns=tuple(map(layer_number, layers)),
        quantities={"rank": ranks},
        views=(View("rank", 0, _most(result)),),
        decimals=0,
    )
    return Panel("", Axis("layer"), Axis("", unnamed="module"), heat=made)


def suggestion_sheet(result: RankSuggestion) -> Sheet:
    """`suggestion_panel`, as large as its modules and layers are many."""
    panel = suggestion_panel(result)
    heat = panel.heat
    assert heat is not None
    size = (2.6 + 0.3 * len(heat.columns), 1.6 + 0.3 * len(heat.rows))
    return Sheet(
        (Block([[panel]], scales=(Scale(0, _most(result), "suggested rank"),)),),
        (min(12.0, max(4.5, size[0])), min(10.0, size[1])),
        title=f"Smallest ranks that keep {100 * result.energy:g} % of ΔW's energy",
        note=f"of rank {_trained(result)} as trained",
    )


def _most(result: RankSuggestion) -> int:
    return max(one.rank for one in result.layers)


def _trained(result: RankSuggestion) -> str:
    ranks = sorted({one.rank for one in result.layers})
    return span(str(ranks[0]), str(ranks[-1]))
