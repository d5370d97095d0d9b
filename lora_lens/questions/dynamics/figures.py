"""An adapter over its training, described: φ to its ends, norms and ranks, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from ...errors import LensError
from ...labelled import Array
from ...several import counted
from ...show.figure import Axis, Band, Block, HeatMap, Level, Line, Mark, Panel, Scale, Sheet, View
from ...show.layout import singular_vectors
from ...show.whose import whose
from ...show.wording import same_phi
from .result import DynamicsResult, over_layers
from .tables import whereto

_Styles = Mapping[str, tuple[str, str, int, str]]
_SPACES: _Styles = {
    "A": (singular_vectors("A", "right"), "solid", 0, "circle"),
    "B": (singular_vectors("B", "left"), "dash", 1, "square"),
    "delta_left": (singular_vectors("delta", "left"), "dot", 2, "cross"),
    "delta_right": (singular_vectors("delta", "right"), "dashdot", 3, "plus"),
}
# Which factor spans what ΔW does, at the adapter's own rank.
_TWINS = {"delta_left": ("B", "left"), "delta_right": ("A", "right")}
_NORMS: _Styles = {
    "delta": ("‖ΔW‖_F", "dot", 2, "cross"),
    "A": ("‖A‖_F", "solid", 0, "circle"),
    "B": ("‖B‖_F", "dash", 1, "square"),
}
_RANKS: _Styles = {
    "stable": ("stable rank", "solid", 4, "circle"),
    "effective": ("effective rank (of s)", "dash", 5, "square"),
}
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
_MOST_MARKED = 40  # checkpoints; above it marks run into each other


def figures(result: DynamicsResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": dynamics_sheet(result)}


def trajectory_panel(
    result: DynamicsResult, to: Literal["end", "start"] = "end", *, bands: bool = True
) -> Panel:
    """φ to the end point or to the first checkpoint by step: mean over the layers, a band from lowest to highest."""
    if to not in ("end", "start"):
        raise LensError(f"to is {to!r}, expected 'end' or 'start'")
    grids = result.to_end if to == "end" else result.to_start
    chance = dict.fromkeys(round(float(one.mean), 6) for one in result.baselines.values())
    levels = [Level(mean, "unrelated subspaces" if k == 0 else "") for k, mean in enumerate(chance)]
    shown, styles = _distinct(result, grids)
    marks = [*levels, *_lines(result, shown, styles, bands=bands)]
    return Panel(
        f"φ to {whereto(result, to)}", _steps(result), Axis("φ", low=0, high=1.03), tuple(marks)
    )


def _distinct(
    result: DynamicsResult, grids: Mapping[str, Array]
) -> tuple[Mapping[str, Array], _Styles]:
    """Without what of ΔW has the φ of its factor, as it has at the adapter's own rank; the factor's line says so then."""
    shown, styles = dict(grids), dict(_SPACES)
    for space, (factor, side) in _TWINS.items():
        if all(_one_phi(to, space, factor, gaps=True) for to in (result.to_end, result.to_start)):
            del shown[space]
            both = f"{factor} and {singular_vectors('delta', side)}"
            styles[factor] = (both, *styles[factor][1:])
    return shown, styles


def _one_phi(grids: Mapping[str, Array], space: str, factor: str, *, gaps: bool) -> bool:
    """Whether ΔW has its factor's φ wherever it has any; `gaps`: and has one wherever that has."""
    if not {space, factor} <= set(grids):
        return False
    there = np.isfinite(grids[space])
    if gaps and not np.array_equal(there, np.isfinite(grids[factor])):
        return False
    return same_phi(grids[space][there], grids[factor][there])


def size_panel(result: DynamicsResult) -> Panel:
    """Frobenius norms of ΔW, A and B, as far as there are any, by step, on a logarithmic scale."""
    positive = {matrix: np.where(grid > 0, grid, np.nan) for matrix, grid in result.norms.items()}
    marks = tuple(_lines(result, positive, _NORMS))
    return Panel("Norms", _steps(result), Axis("norm", log=True), marks, legend="inside")


def rank_panel(result: DynamicsResult) -> Panel:
    """Stable and effective rank of ΔW by step."""
    marks = tuple(_lines(result, result.ranks, _RANKS))
    return Panel("Ranks of ΔW", _steps(result), Axis("rank", low=0), marks, legend="inside")


def layer_panel(result: DynamicsResult, side: Literal["left", "right"] = "left") -> Panel:
    """φ of ΔW to the end point, a row a layer, a column a checkpoint; grey where there is none."""
    made = HeatMap(
        rows=tuple(map(str, result.layers)),
        columns=tuple(result.label(t) for t in range(len(result.names))),
        quantities={"phi": result.to_end[f"delta_{side}"].T},
        views=(View("phi", _lowest(result), 1),),
    )
    title = f"ΔW ({side}) to the end point, by layer"
    return Panel(title, Axis("step"), Axis("layer"), heat=made)


def _lowest(result: DynamicsResult) -> float:
    """Where the heat maps' scale begins: 0 of a whole training, higher of late checkpoints, which would be of one colour."""
    phi = np.concatenate([result.to_end[f"delta_{side}"].ravel() for side in _SIDES])
    known = phi[np.isfinite(phi)]
    return min(0.9, math.floor(10 * float(known.min(initial=1.0)) + 1e-6) / 10)


def dynamics_sheet(result: DynamicsResult) -> Sheet:
    """φ to the end point and to the first checkpoint above, norms and ranks below; beside them φ by layer, of both sides of ΔW."""
    left, right = (layer_panel(result, side) for side in _SIDES)
    above = trajectory_panel(result), trajectory_panel(result, "start")
    below = size_panel(result), rank_panel(result)
    rows: list[list[Panel | None]] = [
        [*(replace(one, legend="row") for one in line), heat]
        for line, heat in ((above, left), (below, right))
    ]
    return Sheet(
        (Block(rows, scales=(Scale(_lowest(result), 1, "φ", of=(2,)),), narrow="wrap"),),
        (13, 7.2),
        title=(
            f"{result.module} over training, i = j = {result.rank}, "
            f"{counted(len(result.layers), 'layer')}"
        ),
        note=(
            "Lines: mean over the layers. Bands: lowest to highest layer. Grey or no mark: φ does not "
            f"exist.\n{whose({'': result.run}, result.base)}"
        ),
    )


def _lines(
    result: DynamicsResult, grids: Mapping[str, Array], styles: _Styles, *, bands: bool = True
) -> list[Mark]:
    x = np.array(_positions(result))
    marks: list[Mark] = []
    for name, grid in grids.items():
        label, dash, colour, marker = styles[name]
        factor, _ = _TWINS.get(name, ("", ""))
        # Two bands on each other have a colour that no legend has.
        if bands and not _one_phi(grids, name, factor, gaps=False):
            marks.append(Band(x, grid.min(axis=1), grid.max(axis=1), "", colour))
        shown = marker if len(x) <= _MOST_MARKED else ""
        marks.append(Line(x, over_layers(grid), label, colour, dash, shown))  # type: ignore[arg-type]
    return marks


def _steps(result: DynamicsResult) -> Axis:
    at = _positions(result)
    margin = 0.03 * (at[-1] - at[0]) or 0.5
    names = tuple(result.label(t) for t in range(len(at)))
    return Axis("step", names, tuple(at), at[0] - margin, at[-1] + margin)


def _positions(result: DynamicsResult) -> list[float]:
    """Steps, and the run's own adapter a usual distance after the last: its step is not known."""
    known = [step for step in result.steps if step is not None]
    apart = (known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 1.0
    return [known[-1] + apart if step is None else float(step) for step in result.steps]
