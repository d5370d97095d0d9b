"""Intruder dimensions by layer, beside those of random ΔW, described."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import LensError
from ...labelled import Row
from ...show.figure import Axis, Block, HeatMap, Panel, Scale, Sheet, View, in_rows
from ...show.layout import layer_number
from ...show.whose import whose
from .result import Spectrum

_CHANCE = "chance"
_MOST_BELOW = 4  # modules below each other
_MOST_BESIDE = 8  # panels beside each other, of more
_NOTE = f"{_CHANCE}: mean count over the layers, of random ΔW with the same singular values"


def intruder_panel(result: Spectrum, module: str, k: int, high: float | None = None) -> Panel:
    """Intruder dimensions among the top k, a row a layer and a column an ε; counts in the cells.

    The last row is chance, where it was drawn: the mean over the layers of what random ΔW have.
    """
    layers = [layer_number(one.layer) for one in result.of(module) if one.beside_w0]
    if not layers:
        raise LensError(
            f"no layer of {module} was put beside W0, so that it has no intruder dimensions to draw"
        )
    rows = [row for row in result.intruders([k]) if row["module"] == module]
    counts = np.reshape([row["count"] for row in rows], (len(layers), -1))
    chance = _chance(rows, len(result.epsilons))
    made = HeatMap(
        rows=(*layers, *[_CHANCE] * len(chance)),
        columns=tuple(f"{epsilon:g}" for epsilon in result.epsilons),
        quantities={"count": np.array([*counts, *chance], dtype=np.float64)},
        views=(View("count", 0, k if high is None else high),),
        decimals=None,
        apart=len(chance),
    )
    return Panel(f"{module}, top {k}", Axis("ε"), Axis("layer"), heat=made)


def _chance(rows: Sequence[Row], columns: int) -> list[list[float]]:
    """A row of means, of one decimal where they have one digit, as cells are narrow; none without draws."""
    random = [row["random_mean"] for row in rows if row["random_mean"] is not None]
    if not random:
        return []
    means = np.reshape(random, (-1, columns)).mean(axis=0)
    return [[round(mean, 1 if mean < 10 else 0) for mean in means]]


def intruder_sheet(result: Spectrum) -> Sheet:
    """`intruder_panel`, a row a module and a column a k, each shaded from none to all of its k.

    Of more than four modules several stand in a row, each with all of its k.
    """
    modules = [
        module for module in result.modules if any(one.beside_w0 for one in result.of(module))
    ]
    if not modules:
        raise LensError(
            "no module was put beside W0, so that there are no intruder dimensions to draw"
        )
    longest = 1 + max(len(result.of(module)) for module in modules)
    ks = max(1, len(result.ks))
    beside = 1 if len(modules) <= _MOST_BELOW else max(1, _MOST_BESIDE // ks)
    panels = [intruder_panel(result, module, k) for module in modules for k in result.ks]
    rows = in_rows(panels, beside * ks)
    height = len(rows) * (min(4.0, 0.24 * longest) + 0.9) + 0.7
    return Sheet(
        (Block(rows, scales=(Scale(0, 1, "share of the top k"),)),),
        (2.7 * beside * ks + 1.0, height),
        title="Intruder dimensions: left singular vectors of W0+ΔW unlike all of W0's (|cos| < ε)",
        note="\n".join([_NOTE] * bool(result.draws) + [whose({"": result.adapter}, result.base)]),
    )
