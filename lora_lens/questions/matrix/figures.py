"""φ between many adapters, described: a heat map in the order of the tree that stands beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...several import counted
from ...show.elided import elided
from ...show.figure import Axis, Block, Colour, HeatMap, Level, Panel, Scale, Sheet, Strokes, View
from ...show.layout import singular_vectors
from ...show.wording import red_on_scale
from .result import MatrixResult

_MOST_LABELLED = 120  # adapters; above it not even the names would be read
_COLOURED = "Names and branches have their cluster's colour. "
_UNNAMED = "{} adapters, in the order of the tree"
# Of the palette, without grey, which is of none, and two too pale to read as text.
_TOLD_APART = (0, 1, 2, 3, 4, 5, 9)
_CUTS = {"chance": "cut: chance", "gap": "cut: largest gap", "given": "cut: as asked"}


def figures(result: MatrixResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": matrix_sheet(result)}


def tree_panel(result: MatrixResult) -> Panel:
    """The tree, root at the left, leaves at the right in the order of the heat map's rows.

    Branches inside one cluster have its colour; those between clusters are grey. A line is where the tree was cut,
    if that is at one height.
    """
    n = len(result)
    place = {leaf: float(row) for row, leaf in enumerate(result.order)}
    heights = dict.fromkeys(range(n), 0.0)
    of = dict(enumerate(result.clusters))
    known = cluster_colours(result)
    paths, shades = [], []
    for k, (one, other, height, _) in enumerate(result.linkage):
        first, second, node = int(one), int(other), n + k
        y = (place[first], place[second])
        x = (heights[first], heights[second])
        paths.append(np.array([(x[0], y[0]), (height, y[0]), (height, y[1]), (x[1], y[1])]))
        of[node] = of[first] if of[first] == of[second] else 0
        shades.append(known.get(of[node], "grey"))
        place[node], heights[node] = (y[0] + y[1]) / 2, float(height)
    lowest, highest = float(result.linkage[0, 2]), float(result.linkage[-1, 2])
    spread = max(highest - lowest, 0.02)
    end = max(0.0, lowest - 0.3 * spread)
    root = highest + 0.05 * spread
    return Panel(
        x=Axis(f"1 − {result.by}", low=root, high=end),
        y=Axis(low=n - 0.5, high=-0.5),
        marks=(Strokes(tuple(paths), tuple(shades)), *_cut(result, end, root)),
        bare=True,
    )


def _cut(result: MatrixResult, first: float, last: float) -> Iterator[Level]:
    """A line midway from the last merge that was kept to the next, where all that were come before it."""
    heights, inside = result.linkage[:, 2], result.inside
    kept, next_one = max(heights[inside], default=first), min(heights[~inside], default=last)
    if kept <= next_one:
        middle = float(kept + next_one) / 2
        yield Level(middle, _CUTS[result.cut], "black", "dot", upright=True, said="above")


def heat_panel(result: MatrixResult) -> Panel:
    """φ between every two adapters in the order of the tree; names have their cluster's colour.

    The colour scale ends above the highest φ off the diagonal, in tenths, so that small values are told
    apart.
    """
    order = list(result.order)
    n = len(order)
    known = cluster_colours(result)
    labelled = n <= _MOST_LABELLED
    shown = elided(result.names)
    names = tuple(shown[k] if labelled else "" for k in order)
    shades: tuple[Colour, ...] = tuple(known.get(result.clusters[k], "black") for k in order)
    made = HeatMap(
        rows=names,
        columns=names,
        quantities={"phi": result.values[np.ix_(order, order)]},
        views=(View("phi", 0, top(result)),),
        diagonal=True,
        shades=shades if labelled else (),
    )
    below = "" if labelled else _UNNAMED.format(n)
    return Panel(x=Axis(below, unnamed=_UNNAMED.format(n)), y=Axis(far=True), heat=made)


def top(result: MatrixResult) -> float:
    """The end of the colour scale: tenths, above the highest φ off the diagonal."""
    highest = float(result.values[result.pairs()].max())
    return min(1.0, max(0.1, math.ceil(10 * highest - 1e-9) / 10))


def matrix_sheet(result: MatrixResult) -> Sheet:
    """The tree of three adapters or more, the heat map in its order, and the colour scale with chance marked on it."""
    n = len(result)
    tree = n > 2  # of one pair it says no more than the one number does
    shown = n <= _MOST_LABELLED
    side = (
        min(12.0, max(3.0, (0.42 if n <= 20 else 0.17 if n <= 60 else 0.125) * n)) if shown else 8.0
    )
    label = 0.085 * max(map(len, elided(result.names))) * (1 if n <= 20 else 0.7) if shown else 0.2
    off = ~np.eye(n, dtype=bool)
    means = result.gaussian_mean[off]
    chance = sorted({float(means.min()), float(means.max())})
    ranks = f"{result.ranks.min()}" if result.ranks.min() == result.ranks.max() else "own rank"
    return Sheet(
        (
            Block(
                [[*[tree_panel(result)][:tree], heat_panel(result)]],
                scales=(Scale(0, top(result), "φ", marks=tuple(chance)),),
                widths=(1.5, side)[not tree :],
                narrow="keep",
            ),
        ),
        (side + 1.4 + 1.5 * tree + label, side + 1.1 + label),
        title=(
            f"φ of {singular_vectors(result.matrix, result.side)}, {result.module}, i = j = {ranks}, "
            f"mean of {counted(len(result.layers), 'layer')}"
        ),
        note=(_COLOURED if tree else "") + red_on_scale(chance),
    )


def cluster_colours(result: MatrixResult) -> dict[int, Colour]:
    """A colour a cluster of two or more; there are more clusters than colours, neighbours differ."""
    several = [number for number, members in result.members().items() if len(members) > 1]
    return {number: _TOLD_APART[k % len(_TOLD_APART)] for k, number in enumerate(several)}
