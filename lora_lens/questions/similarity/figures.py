"""φ between layers, described: heat maps as in Figure 1, beside their null and beyond it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...show.figure import (
    Block,
    HeatMap,
    Panel,
    Scale,
    Sheet,
    View,
    named,
    round_top,
)
from ...show.layout import LABELS, dimensions
from ...show.whose import whose
from ...show.wording import red_on_scale, ridge_words
from ..looked_up import looked_up
from .result import LayerGrid, SimilarityResult
from .words import distinct, is_b

_STORED = {"A": "W0⁻¹Aᵀ", "B": "W0⁻¹B", "BA": "W0⁻¹BA"}
_CONSISTENT = _STORED | {"A": "W0⁻ᵀAᵀ"}
_IN_PERCENT = 0.1  # excesses up to it: most of them would be ".00"
_STATISTICS = ("p", "p_bh", "p_max")


def figures(result: SimilarityResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": similarity_sheet(result), "-figure1": figure_1(result)}


def heat(grid: LayerGrid) -> HeatMap:
    """φ, and of every null its mean, deviation and p-values; the excess over each is made of two of them."""
    layers = len(grid.layers)
    quantities: dict[str, object] = {"phi": grid.values}
    for name, baseline in grid.baselines.items():
        flat = getattr(baseline.mean, "ndim", 0) == 0
        test = grid.significance[name]
        quantities |= {
            f"{name}.mean": float(baseline.mean) if flat else baseline.grid(layers),
            f"{name}.sd": float(baseline.sd) if flat else baseline.sd_grid(layers),
        } | {f"{name}.{one}": getattr(test, one) for one in _STATISTICS}
    names = tuple(map(str, grid.layers))
    return HeatMap(
        rows=names,
        columns=names,
        quantities=quantities,  # type: ignore[arg-type]
        views=tuple(_views(grid)) or (_phi(),),
        diagonal=True,
        square=True,
    )


def _phi() -> View:
    return View("phi", 0, 1, words="φ between layers: 0 orthogonal, 1 equal subspaces.")


def _views(grid: LayerGrid) -> Iterator[View]:
    for null in grid.baselines:
        hover = (
            f"{LABELS[grid.matrix]}, layers {{row}} and {{column}}",
            "φ = {phi}",
            f"{null} null {{{null}.mean}} ± {{{null}.sd}}",
            f"p = {{{null}.p}}; BH {{{null}.p_bh}}; max {{{null}.p_max}}",
        )
        mean = f"{null}.mean"
        shown = {
            "phi": _phi(),
            "null": View(mean, 0, 1, words=f"φ that chance gives: the mean of the {null} null."),
            "excess": View(
                ("phi", mean), -1, 1, "both",
                f"Excess over the {null} null, (φ − null)/(1 − null): 0 is chance.",
            ),
            "p": View(f"{null}.p", 0, 1, "p", f"p against the {null} null, of each pair by itself."),
            "p_bh": View(
                f"{null}.p_bh", 0, 1, "p",
                f"p against the {null} null after Benjamini-Hochberg over all pairs.",
            ),
        }  # fmt: skip
        for name, view in shown.items():
            yield replace(view, chosen={"view": name, "null": null}, hover=hover)


def conversion(grid: LayerGrid, result: SimilarityResult | None = None) -> str:
    """What is compared, written out; with BA where its numbers are B's."""
    written = _CONSISTENT if grid.convention == "consistent" else _STORED
    text = f"{LABELS[grid.matrix]}: {written[grid.matrix]}{ridge_words(grid.ridge)}"
    both = grid.matrix == "B" and result is not None and "BA" in result and is_b("BA", result)
    return f"{text}, the same as BA: {written['BA']}" if both else text


_SHORT = {"propagated": "random, same W0", "flipped": "turned on W0"}


def panel(grid: LayerGrid, baseline: str | None = None, high: float | None = None) -> Panel:
    """φ, or the mean of a null; the scale ends at `high`, by default above all that is off the diagonal."""
    if baseline is not None:
        looked_up(grid.baselines, baseline, "baseline")
    shows = "phi" if baseline is None else f"{baseline}.mean"
    title = (
        f"{conversion(grid)}, {grid.module}"
        if baseline is None
        else f"{baseline.capitalize()} null, {LABELS[grid.matrix]}"
    )
    return _panel(grid, View(shows, 0, top(grid) if high is None else high), title)


def excess_panel(grid: LayerGrid, null: str, high: float | None = None) -> Panel:
    """How far φ exceeds a null: 0 is chance, 1 the most there can be."""
    looked_up(grid.baselines, null, "baseline")
    if high is None:
        high = _beyond(grid, null)
    view = View(("phi", f"{null}.mean"), -high, high, "both")
    percent = high <= _IN_PERCENT
    title = f"Excess over the {null} null, {LABELS[grid.matrix]}{', %' if percent else ''}"
    return _panel(grid, view, title, percent=percent)


def _panel(grid: LayerGrid, view: View, title: str, *, percent: bool = False) -> Panel:
    shown = replace(heat(grid), views=(view,), percent=percent)
    return Panel(title, named("layer", ()), named("layer", ()), heat=shown)


def top(grid: LayerGrid) -> float:
    """A round number above φ off the diagonal, and above the null that is pictured."""
    made = heat(grid)
    shown = ["phi", *([f"{grid.pictured}.mean"] if grid.pictured else [])]
    return round_top(max(made.top(View(name, 0, 1)) for name in shown))


def _beyond(grid: LayerGrid, null: str) -> float:
    return round_top(heat(grid).top(View(("phi", f"{null}.mean"), -1, 1)))


def similarity_sheet(result: SimilarityResult) -> Sheet:
    """A row a matrix: φ, what the propagated null (or flips) gives on the same colours, and the excess over it."""
    grids = distinct(result)
    null = next(iter(result.values())).pictured
    chance = _gaussian(result)
    high = max([*map(top, grids.values()), *map(round_top, chance)])
    most = max(_beyond(grid, null) for grid in grids.values()) if null else 1.0
    rows = []
    for grid in grids.values():
        row = [_named(panel(grid, high=high), conversion(grid, result))]
        if null:
            row += [panel(grid, null, high), excess_panel(grid, null, most)]
        rows.append(row)
    scales = [Scale(0, high, "φ", of=(0, 1) if null else (0,), marks=chance)]
    if null:
        times, label = (100, "excess, %") if most <= _IN_PERCENT else (1, "excess")
        scales.append(Scale(-times * most, times * most, label, "both", of=(2,)))
    size = min(4.6, 1.7 + 0.26 * len(result.layers))
    columns = len(rows[0])
    return Sheet(
        (Block(rows, scales=_if_pairs(result, scales), narrow="turn"),),
        (size * columns + 0.6, size * len(rows) + 1.7),
        title=(
            f"Subspace similarity between layers, {result.module}\n{result.side} singular vectors, "
            f"{dimensions(result.i, result.j)}, convention {result.convention}{ridge_words(result.ridge)}"
        ),
        note="\n".join(
            filter(None, (red_on_scale(chance), whose({"": result.adapter}, result.base)))
        ),
    )


def figure_1(result: SimilarityResult) -> Sheet:
    """The paper's Figure 1 at the width of a column: A and B, conversions above, what chance gives below."""
    grids = [grid for matrix, grid in result.items() if matrix in ("A", "B")] or list(
        result.values()
    )
    null = grids[0].pictured
    chance = _gaussian(result)
    high = max([*map(top, grids), *map(round_top, chance)])
    rows = [[_named(panel(grid, high=high), conversion(grid)) for grid in grids]]
    if null:
        rows.append([_named(panel(grid, null, high), _SHORT[null]) for grid in grids])
    return Sheet(
        (Block(rows, scales=_if_pairs(result, [Scale(0, high, "φ", marks=chance)])),),
        (1.4 * len(grids) + 0.6, 1.45 * len(rows) + (0.5 if chance else 0.4)),
        note=red_on_scale(chance),
        font=8,
    )


def _if_pairs(result: SimilarityResult, scales: Sequence[Scale]) -> tuple[Scale, ...]:
    """Of one layer no cell has a colour."""
    return tuple(scales) if len(result.layers) > 1 else ()


def _named(one: Panel, title: str) -> Panel:
    return replace(one, title=title)


def _gaussian(result: SimilarityResult) -> tuple[float, ...]:
    means = [g.baseline_mean("gaussian") for g in result.values() if "gaussian" in g.baselines]
    return tuple(dict.fromkeys(round(mean, 6) for mean in means if math.isfinite(mean)))
