"""φ between layers as text: grids, their means beside every null, the highest pairs, conditioning."""

from __future__ import annotations

import numpy as np

from ...show.against_chance import columns_legend, few_draws, nulls_table, resolution
from ...show.layout import LABELS, Table, called, number, significant
from ...show.wording import ridge_words
from .neighbours import neighbours
from .result import LayerGrid, SimilarityResult
from .words import distinct

_NULLS = {
    "gaussian": "unrelated subspaces",
    "propagated": "random factors through the same W0",
    "mismatched": "the adapter's factors, shuffled over the layers' W0",
    "initialisation": "A as PEFT starts it, through W0",
    "equivalent": "the propagated one's mean by a formula, without draws; on MiniLM off by up to 3 % between two layers at r = 8, 17 % at r = 1",
    "flipped": "the adapter's factors, turned by random signs on their own W0's singular directions",
}
_DESCRIBES = (
    "z, p and pairs describe, and are no verdict: they are about the factors of one null, the propagated "
    "one's being uniform. Factors along each W0's own leading singular directions share nothing and can "
    "have a small p or be far below the null, and a shared layer can leave p as it is; `shared` tests "
    "whether layers share anything."
)
_BUT = "But for flipped, "
_FLIPPED = (
    "flipped keeps how each factor lies on its own W0's singular directions, and no more: p of the mean against it, of each "
    "matrix by itself, tests whether layers have anything in common beyond that, two by two. `shared` asks whether one θ predicts them "
    "all: what is seen here and not there is no contradiction. It takes a ridge to see much: docs, power, has what --ridge 3 sees."
)
MOST_LAYERS = 32  # a row each; of more the terminal shows blocks of neighbours
MOST_BLOCKS = 10  # two grids of them stand beside each other on a line of 100 cells


def tables(result: SimilarityResult) -> list[Table]:
    """The summary, a grid a matrix, and the conditioning of W0."""
    what = f"{title(result)}; {called(result.adapter)} on {called(result.base)}"
    grids = map(_grid_for_page, result.values())
    return [chance_table(result).under(what), *grids, condition_table(result)]


def title(result: SimilarityResult) -> str:
    """What the grids of a result show, in one line."""
    return (
        f"φ of {result.module} conversions between layers: {result.side} side, i = {result.i}, "
        f"j = {result.j}, {result.convention}{ridge_words(result.ridge)}"
    )


def chance_table(result: SimilarityResult) -> Table:
    """Mean φ off the diagonal beside each null: a row a matrix and null."""
    tested = ((matrix, grid.mean, grid.significance) for matrix, grid in result.items())
    return nulls_table(
        "Mean φ off the diagonal, beside what chance gives", "pairs", tested, result.draws
    )


def chance_notes(result: SimilarityResult) -> list[str]:
    """Why that table counts no pairs, where it is for want of draws."""
    tests = (test for grid in result.values() for test in grid.significance.values())
    return few_draws(result.draws, tests, "pairs")


def legend(result: SimilarityResult) -> list[str]:
    """What the nulls and the columns mean, and how well W0 can be inverted."""
    return [*null_legend(result), conditioning(result)]


def null_legend(result: SimilarityResult) -> list[str]:
    """What the nulls and the columns of the summary mean, and which nulls are not there, and why."""
    grids = list(result.values())
    names = [name for name in _NULLS if any(name in grid.baselines for grid in grids)]
    lines = ["; ".join(f"{name}: {_NULLS[name]}" for name in names) + "."] if names else []
    draws = {baseline.draws for grid in grids for baseline in grid.baselines.values()} - {None}
    if draws:
        lines.append(columns_legend("pairs"))
        tests = {name: test for grid in grids for name, test in grid.significance.items()}
        turned = "flipped" in names and len(result.layers) > 1
        others = _BUT + _DESCRIBES if turned else _DESCRIBES
        lines += [*resolution(tests, "pairs"), *([others] if {*names} - {"flipped"} else [])]
        lines += [_FLIPPED] if turned else []
    reasons: dict[tuple[str, str], list[str]] = {}
    for grid in grids:
        for name, reason in grid.absent.items():
            reasons.setdefault((name, reason), []).append(LABELS[grid.matrix])
    lines += [
        f"no {name} null for {', '.join(matrices)}: {reason}."
        for (name, reason), matrices in reasons.items()
    ]
    return lines


def highest_pairs(result: SimilarityResult) -> str:
    """Each matrix's highest φ off the diagonal, and its layers."""
    if len(result.layers) == 1:
        return "there are no two layers to compare"
    found = {matrix: _highest(grid) for matrix, grid in distinct(result).items()}
    pairs = [f"{LABELS[matrix]} {phi:.3f} ({pair})" for matrix, (pair, phi) in found.items()]
    return f"highest pair of layers: {'; '.join(pairs)}"


def _highest(grid: LayerGrid) -> tuple[str, float]:
    off = np.where(np.eye(len(grid.layers), dtype=bool), -1.0, grid.values)
    first = off.round(12).argmax()  # φ of two layers is one number twice, but for rounding
    row, column = np.unravel_index(int(first), off.shape)
    return f"{grid.layers[row]}, {grid.layers[column]}", float(grid.values[row, column])


def grid_table(grid: LayerGrid) -> Table:
    """One matrix's layer×layer grid."""
    rows = [
        [str(layer), *(f"{value:.3f}" for value in row)]
        for layer, row in zip(grid.layers, grid.values, strict=True)
    ]
    return Table(f"φ of {LABELS[grid.matrix]} conversions", ["layer", *map(str, grid.layers)], rows)


def _grid_for_page(grid: LayerGrid) -> Table:
    """`grid_table`; of more layers than a page is wide the means of neighbours, and CSV and JSON have every pair."""
    if len(grid.layers) <= MOST_LAYERS:
        return grid_table(grid)
    size, first, means = neighbours(grid.layers, grid.values, MOST_BLOCKS)
    rows = [
        [str(layer), *(number(float(value)) for value in row)]
        for layer, row in zip(first, means, strict=True)
    ]
    title = f"φ of {LABELS[grid.matrix]} conversions, means of {size} × {size} layers, named by the first"
    return Table(title, ["layer", *map(str, first)], rows)


def condition_table(result: SimilarityResult) -> Table:
    """Condition number of each layer's W0."""
    rows = zip(map(str, result.layers), _condition_numbers(result), strict=True)
    return Table("Conditioning", ["layer", "condition number of W0"], list(map(list, rows)))


def conditioning(result: SimilarityResult) -> str:
    """Condition number of each layer's W0, in a line."""
    pairs = zip(result.layers, _condition_numbers(result), strict=True)
    return (
        f"condition number of W0 by layer: {', '.join(f'{layer}: {text}' for layer, text in pairs)}"
    )


def _condition_numbers(result: SimilarityResult) -> list[str]:
    return [significant(value, zeros=False) for value in result.condition_number]
