"""Results → the numbers of the report's figures, as JSON. The page draws them; here nothing is drawn.

No name from a checkpoint is in a figure: plotly reads some HTML in its texts, so names stand in the page
around it, where they are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..questions.comparison.result import ComparisonResult
from ..questions.grid.result import RankGrid, RankGrids
from ..questions.shared.result import SharedSubspace
from ..questions.similarity.result import LayerGrid
from ..questions.spectrum.result import Spectrum
from ..show.layout import LABELS
from .findings import same

Spec = dict[str, Any]
_DIGITS = 6  # significant: with fewer, three decimals of them could differ from the tables'
_MOST_CELLS = 24  # rows or columns of φ(i, j) up to which all are drawn
BLUE, ORANGE, GREEN, GREY = "#2f7fc1", "#cf6f1b", "#2a9d72", "#8a8f98"
_DASHES = ("solid", "dash", "dot", "dashdot")
_MARKERS = ("circle", "square", "diamond", "triangle-up")


def rounded(values: Any) -> Any:
    """Numbers of six significant digits, None for what is not finite."""
    if isinstance(values, (list, tuple)):
        return [rounded(value) for value in values]
    if isinstance(values, np.ndarray):
        return rounded(values.tolist())
    return float(f"{values:.{_DIGITS}g}") if math.isfinite(values) else None


def similarity_figure(grid: LayerGrid) -> Spec:
    """φ, and of every null its mean, deviation, excess and p-values, layer × layer."""
    layers = len(grid.layers)
    nulls = {}
    for name, baseline in grid.baselines.items():
        test = grid.significance[name]
        flat = not np.ndim(baseline.mean)
        nulls[name] = {
            "mean": rounded(float(baseline.mean) if flat else baseline.grid(layers)),
            "sd": rounded(float(baseline.sd) if flat else baseline.sd_grid(layers)),
        } | {key: rounded(getattr(test, key)) for key in ("excess", "p", "p_bh", "p_max")}
    return {
        "kind": "similarity",
        "label": LABELS[grid.matrix],
        "layers": list(grid.layers),
        "phi": rounded(grid.values),
        "nulls": nulls,
    }


def grids_figure(result: RankGrids) -> Spec:
    """φ(i, j) of every matrix, side and layer; chance is max(i, j)/d."""
    return {"kind": "ij", "frames": [_frame(grid) for grid in result]}


def _frame(grid: RankGrid) -> Spec:
    rows, columns = (_ticks(count) for count in grid.shape)
    return {
        "matrix": f"{LABELS[grid.matrix]} ({grid.side})",
        "layer": grid.layer,
        "dimension": grid.dimension,
        "i": rows,
        "j": columns,
        "phi": rounded(grid.values[np.ix_([i - 1 for i in rows], [j - 1 for j in columns])]),
    }


def _ticks(count: int) -> list[int]:
    """1 to `count` where they are few, else evenly on a logarithmic scale."""
    if count <= _MOST_CELLS:
        return list(range(1, count + 1))
    return sorted({round(value) for value in np.geomspace(1, count, _MOST_CELLS)})


def singular_figure(result: Spectrum) -> Spec:
    """Singular values of ΔW, a row a layer; None beyond a layer's rank."""
    width = max(one.rank for one in result.layers)
    values = [
        [*one.singular_values, *[math.nan] * (width - len(one.singular_values))]
        for one in result.layers
    ]
    return {
        "kind": "singular",
        "layers": [one.layer for one in result.layers],
        "values": rounded(values),
    }


def ranks_figure(result: Spectrum) -> Spec:
    """Rank, effective rank, stable rank and the rank for 95 % of the energy, by layer."""
    series = {
        "rank r": "rank",
        "effective rank (s)": "effective_rank_s",
        "effective rank (s²)": "effective_rank_s2",
        "stable rank": "stable_rank",
    }
    x = [str(one.layer) for one in result.layers]
    data = [
        _line(
            name, x, [getattr(one, key) for one in result.layers], colour, dash=dash, symbol=symbol
        )
        for (name, key), colour, dash, symbol in zip(
            series.items(), (GREY, BLUE, GREEN, ORANGE), _DASHES, _MARKERS, strict=True
        )
    ]
    return _lines(data, "directions")


def shared_figure(shared: SharedSubspace) -> Spec:
    """Share of each layer that one shared layer captures, fitted to it and not, beside the null."""
    _, null = list(shared.nulls.items())[-1]
    x = [str(layer) for layer in shared.layers]
    data: list[Spec] = []
    for name, values, test, colour, symbol in (
        ("captured", shared.captured, null.captured, BLUE, "circle"),
        ("left out", shared.left_out, null.left_out, ORANGE, "square"),
    ):
        mean, sd = (np.broadcast_to(v, values.shape) for v in (test.mean, test.sd))
        data += _band(f"{name} by chance", x, mean, sd, colour)
        data.append(_line(name, x, values, colour, symbol=symbol, lines=False))
    return _lines(data, "share of the subspace")


def comparison_figure(result: ComparisonResult) -> Spec:
    """φ between the two adapters by layer, with unrelated subspaces' mean and two deviations."""
    x = [str(layer) for layer in result.layers]
    baseline = next(iter(result.values())).baseline
    length = np.ones(len(x))
    data = _band(
        "unrelated subspaces", x, float(baseline.mean) * length, float(baseline.sd) * length, GREY
    )
    shown = dict(result)
    b = LABELS["B"]
    if "delta" in shown and same(shown["delta"].values, shown["B"].values):
        del shown["delta"]  # its line would hide B's
        b = f"B and {LABELS['delta']}"
    for (matrix, series), colour, dash, symbol in zip(
        shown.items(), (BLUE, ORANGE, GREEN), _DASHES, _MARKERS, strict=False
    ):
        name = f"{b if matrix == 'B' else LABELS[matrix]} ({series.side})"
        data.append(_line(name, x, series.values, colour, dash=dash, symbol=symbol))
    return _lines(data, "φ")


def _line(
    name: str,
    x: Sequence[str],
    values: Any,
    colour: str,
    *,
    dash: str = "solid",
    symbol: str = "circle",
    lines: bool = True,
) -> Spec:
    y = rounded([math.nan if value is None else float(value) for value in values])
    return {
        "type": "scatter",
        "mode": "lines+markers" if lines else "markers",
        "name": name,
        "x": list(x),
        "y": y,
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "symbol": symbol, "size": 8},
        "hovertemplate": f"layer %{{x}}, {name}: %{{y:.4g}}<extra></extra>",
    }


def _band(name: str, x: Sequence[str], mean: Any, sd: Any, colour: str) -> list[Spec]:
    """A null's mean ± 2 deviations: a bar a layer, for what is between two layers means nothing."""
    if not np.isfinite(mean).all():
        return []
    spread = np.where(np.isfinite(sd), sd, 0.0)
    return [
        {
            "type": "bar",
            "name": f"{name}, ± 2 sd",
            "x": list(x),
            "base": rounded(mean - 2 * spread),
            "y": rounded(4 * spread),
            "width": 0.7,
            "offset": -0.35,
            "marker": {"color": _pale(colour)},
            "customdata": [
                [rounded(float(m)), rounded(float(s))] for m, s in zip(mean, spread, strict=True)
            ],
            "hovertemplate": (
                f"layer %{{x}}, {name}: %{{customdata[0]}} ± %{{customdata[1]}}<extra></extra>"
            ),
        }
    ]


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.28)"


def _lines(data: list[Spec], y: str) -> Spec:
    return {"kind": "lines", "data": data, "y": y}
