"""The coordinates that conversions hold, described: among all others, and by layer."""

from __future__ import annotations

import math

import numpy as np

from ...show.figure import (
    Axis,
    Block,
    HeatMap,
    Level,
    Line,
    Mark,
    Marker,
    Panel,
    Scale,
    Sheet,
    View,
    named,
    positions,
    round_top,
)
from ...show.whose import whose
from .result import Coordinate, OutliersResult
from .words import columns

_MOST = 8  # lines that can be told apart
_MARKERS: tuple[Marker, ...] = ("circle", "square", "up", "diamond", "cross", "plus", "dot", "ring")


def figures(result: OutliersResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": outliers_sheet(result)}


def crowd_panel(result: OutliersResult) -> Panel:
    """Every coordinate: how much W0's inverse magnifies it, and the share of its unit vector; the named apart."""
    numbers = [one.coordinate for one in result.coordinates]
    rest = np.setdiff1d(np.arange(result.dimension), numbers)
    power = "1/n²" if result.inverse else "n²"
    marks: list[Mark] = [
        Line(result.magnifications[rest], result.shares[rest], "other coordinates", "grey", "none", "dot"),
        *(
            Line(
                result.magnifications[[k]], result.shares[[k]], f"coordinate {k}", place, "none",
                _MARKERS[place],
            )
            for place, k in enumerate(numbers[:_MOST])
        ),
        Level(result.by_chance, "by chance, r/d", "grey", "dash"),
    ]  # fmt: skip
    return Panel(
        "Every coordinate",
        Axis(f"mean of {power}, n the {columns(result)[:-1]}'s norm", log=True),
        Axis("share of the unit vector", log=True),
        tuple(marks),
        legend="below",
    )


def held_panel(result: OutliersResult) -> Panel:
    """Share of each named unit vector by layer, and what random factors hold of it."""
    x = positions(result.layers)
    shown = result.coordinates[:_MOST] or result.candidates[:1]
    trained = result.method != "untrained"  # of untrained factors the two are one
    marks: list[Mark] = []
    for place, one in enumerate(shown):
        marks.append(
            Line(x, one.share, f"coordinate {one.coordinate}", place, "solid", _MARKERS[place])
        )
        if trained:
            marks.append(Line(x, one.propagated_share, "", place, "dot"))
    marks.append(Level(result.by_chance, "by chance, r/d", "grey", "dash"))
    return Panel(
        "Held by layer (dotted: random factors)" if trained else "Held by layer, of random factors",
        named("layer", result.layers),
        Axis("share of the unit vector", low=0),
        tuple(marks),
        legend="below",
    )


def norm_panel(result: OutliersResult) -> Panel:
    """Norm of W0's columns at the candidates beside the layer's median, a row a coordinate."""
    return Panel(
        f"Norm of W0's {columns(result)[:-1]} beside the median",
        Axis("layer"),
        Axis("coordinate"),
        heat=_norms(result, result.candidates),
    )


def _norms(result: OutliersResult, some: tuple[Coordinate, ...]) -> HeatMap:
    values = np.array([one.column_norm for one in some]).reshape(len(some), len(result.layers))
    spread = _spread(some)
    return HeatMap(
        rows=tuple(str(one.coordinate) for one in some),
        columns=tuple(map(str, result.layers)),
        quantities={"norm": values},
        views=(View("norm", 1 - spread, 1 + spread, "both"),),
    )


def _spread(some: tuple[Coordinate, ...]) -> float:
    """How far from the median's 1 the norms go, as a round number."""
    far = max((float(np.abs(one.column_norm - 1).max()) for one in some), default=1.0)
    return round_top(far) if far <= 1 else math.ceil(far)


def outliers_sheet(result: OutliersResult) -> Sheet:
    """Where the coordinates stand, what is held of them by layer, and their columns of W0."""
    spread = _spread(result.candidates)
    wide = min(6.0, 2.6 + 0.24 * len(result.layers))
    return Sheet(
        (
            Block(
                [[crowd_panel(result), held_panel(result), norm_panel(result)]],
                scales=(
                    Scale(
                        1 - spread,
                        1 + spread,
                        "norm beside the median",
                        "both",
                        of=(2,),
                        below=False,
                    ),
                ),
                widths=(4.0, wide, wide),
            ),
        ),
        (4.0 + 2 * wide + 0.8, 4.4),
        title=(
            f"Coordinates that {result.module} conversions of {result.matrix} hold, rank {result.rank}, "
            f"convention {result.convention}"
        ),
        note=whose({"": result.adapter or "untrained factors"}, result.base),
    )
