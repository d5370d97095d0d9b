"""Described figures → JSON, from which the report's page draws them with plotly.

A panel of marks becomes plotly's traces; heat maps stay numbers and views, for the reader switches
between them. Colours are the page's own, which stand out on paper, on white and on black.

No name from a checkpoint belongs in a figure that goes here: plotly reads some HTML in its texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...labelled import Array
from ..figure import Axis, Band, Bars, Colour, HeatMap, Level, Line, Mark, Panel, View

Spec = dict[str, Any]
_DIGITS = 6  # significant: with fewer, three decimals of them could differ from the tables'
BLUE, ORANGE, GREEN, GREY, RED = "#2f7fc1", "#cf6f1b", "#2a9d72", "#8a8f98", "#c4487f"
_PALETTE = (BLUE, ORANGE, GREEN, RED)
_MARKERS = {
    "circle": "circle", "square": "square", "up": "triangle-up", "diamond": "diamond", "cross": "x",
    "plus": "cross", "dot": "circle", "ring": "circle-open", "bar": "line-ew-open",
}  # fmt: skip
_SIZES = {"dot": 4}


def rounded(values: Any) -> Any:
    """Numbers of six significant digits, None for what is not finite."""
    if isinstance(values, (list, tuple)):
        return [rounded(value) for value in values]
    if isinstance(values, np.ndarray):
        return rounded(values.tolist())
    return float(f"{values:.{_DIGITS}g}") if math.isfinite(values) else None


def panel(described: Panel) -> Spec:
    """Traces and axes of a panel of marks."""
    return {
        "kind": "lines",
        "data": [
            trace
            for mark in described.marks
            if not isinstance(mark, Level)
            for trace in _TRACES[type(mark)](mark, described.x)
        ],
        "shapes": [_level(mark) for mark in described.marks if isinstance(mark, Level)],
        "x": described.x.label,
        "y": described.y.label,
        "named": bool(described.x.names),
        "log": described.y.log,
        "logAlong": described.x.log,
        "zero": described.y.low == 0,
    }


def heat_maps(frames: Sequence[HeatMap], x: str, y: str) -> Spec:
    """Heat maps of which the page shows one, in one of its views.

    Quantities that several maps have in common are written once.
    """
    arrays: dict[bytes, tuple[int, Any]] = {}

    def kept(values: Array | float) -> int:
        array = np.asarray(values, dtype=np.float64)
        key = repr(array.shape).encode() + array.tobytes()
        return arrays.setdefault(key, (len(arrays), array))[0]

    made = [_frame(one, {name: kept(v) for name, v in one.quantities.items()}) for one in frames]
    return {
        "kind": "heat",
        "square": frames[0].square or all(len(f.rows) == len(f.columns) for f in frames),
        "x": x,
        "y": y,
        "arrays": [rounded(array) for _, array in arrays.values()],
        "frames": made,
    }


def _frame(heat: HeatMap, quantities: dict[str, int]) -> Spec:
    return {
        "rows": list(heat.rows),
        "columns": list(heat.columns),
        "quantities": quantities,
        "diagonal": heat.diagonal,
        "free": heat.decimals is None,
        "views": [_view(one) for one in heat.views],
    }


def _view(view: View) -> Spec:
    return {
        "shows": view.shows if isinstance(view.shows, str) else list(view.shows),
        "low": rounded(view.low),
        "high": rounded(view.high),
        "ramp": view.ramp,
        "words": view.words,
        "chosen": dict(view.chosen),
        "hover": list(view.hover),
    }


def _line(mark: Line, axis: Axis) -> Iterator[Spec]:
    lines, marks = mark.dash != "none", mark.marker != ""
    shade = _shade(mark.colour)
    yield {
        "type": "scatter",
        "mode": "+".join(["lines"] * lines + ["markers"] * marks + ["text"] * bool(mark.names)),
        "name": _below(mark.label),
        "showlegend": bool(mark.label),
        "x": _places(mark.x, axis),
        "y": rounded(mark.y),
        "line": {"color": shade, "dash": mark.dash if lines else "solid", "width": 2},
        "marker": {
            "color": shade, "symbol": _symbol(mark),
            "size": _SIZES.get(mark.marker, 8),
        },
        "hovertemplate": f"{axis.label} %{{x}}, {mark.label}: %{{y:.4g}}<extra></extra>",
    } | ({"text": list(mark.names), "textposition": "top right"} if mark.names else {})  # fmt: skip


def _below(text: str) -> str:
    """Norms with their index below, as plotly writes it."""
    return text.replace("‖_F", "‖<sub>F</sub>").replace("‖_2", "‖<sub>2</sub>")


def _symbol(mark: Line) -> str:
    symbol = _MARKERS.get(mark.marker, "circle")
    return f"{symbol}-open" if mark.hollow and not symbol.endswith("-open") else symbol


def _bars(mark: Bars, axis: Axis) -> Iterator[Spec]:
    """A bar a place; of chance, with its mean and two deviations on hover."""
    spec: Spec = {
        "type": "bar",
        "name": mark.label,
        "x": _places(mark.x, axis),
        "base": rounded(mark.low),
        "y": rounded(mark.high - mark.low),
        "width": 0.7,
        "offset": -0.35,
        "marker": {"color": _shade(mark.colour)},
        "hovertemplate": f"{axis.label} %{{x}}, {mark.label}: %{{y:.4g}}<extra></extra>",
    }
    if mark.mean is not None:
        spread = (mark.high - mark.low) / 4
        spec["marker"] = {"color": _pale(_shade(mark.colour))}
        spec["customdata"] = [
            list(pair) for pair in zip(rounded(mark.mean), rounded(spread), strict=True)
        ]
        what = mark.label.removesuffix(", ± 2 sd")
        spec["hovertemplate"] = (
            f"{axis.label} %{{x}}, {what}: %{{customdata[0]}} ± %{{customdata[1]}}<extra></extra>"
        )
    yield spec


def _band(mark: Band, axis: Axis) -> Iterator[Spec]:
    x, there = _places(mark.x, axis), np.isfinite(mark.low) & np.isfinite(mark.high)
    if not there.any():
        return
    shared: Spec = {
        "type": "scatter", "mode": "lines", "x": x, "hoverinfo": "skip", "line": {"width": 0},
    }  # fmt: skip
    yield shared | {"y": rounded(mark.low), "name": "", "showlegend": False}
    yield shared | {
        "y": rounded(mark.high), "fill": "tonexty", "fillcolor": _pale(_shade(mark.colour)),
        "name": mark.label, "showlegend": bool(mark.label),
    }  # fmt: skip


def _level(mark: Level) -> Spec:
    """A shape: right across, however wide the panel is."""
    along, across = ("x", "y") if mark.upright else ("y", "x")
    return {
        "type": "line", f"{across}ref": "paper", f"{across}0": 0, f"{across}1": 1,
        f"{along}0": rounded(mark.at), f"{along}1": rounded(mark.at), "layer": "below",
        "line": {"color": _shade(mark.colour), "dash": mark.dash, "width": 1},
        "name": mark.label, "showlegend": bool(mark.label),
    }  # fmt: skip


_TRACES: dict[type[Mark], Callable[[Any, Axis], Iterator[Spec]]] = {
    Line: _line, Band: _band, Bars: _bars,
}  # fmt: skip


def _places(x: Array, axis: Axis) -> list[Any]:
    """Where marks stand: at names, each in the middle of its place, or at numbers."""
    if axis.names:
        return [axis.names[round(float(one))] for one in x]
    return list(rounded(x))


def _shade(colour: Colour) -> str:
    return _PALETTE[colour % len(_PALETTE)] if isinstance(colour, int) else GREY


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.28)"
