"""φ of two adapters by layer as text: the form of the paper's Table 3, and its tests."""

from __future__ import annotations

from ...show.against_chance import columns_legend, few_draws, nulls_table, resolution
from ...show.layout import (
    LABELS,
    Table,
    beside,
    called_apart,
    number,
)
from ...show.many_rows import ENDS, MOST_LAYERS, ends
from .result import ComparisonResult

NULLS = {
    "gaussian": "unrelated subspaces",
    "flipped": "both as they lie on W0's own singular directions, with random signs there",
    "mismatched": "one's layers against other's, shuffled",
}
_INDEPENDENT = (
    "Nulls take the layers of an adapter as independent of each other, but for W0. Of two adapters that each have a shared layer of "
    "their own, as CondLoRA's exported to plain LoRA, flips are of that layer and turn all of an adapter's layers at once; where it made but a part of both, nothing is claimed. "
    "Without W0 that is not seen, and too many are called more or less alike. "
    "The level is of factors that lie evenly on the axes, as Gaussian ones do, or trained ones along W0's directions: where a few "
    "coordinates outweigh the rest in both, φ scatters farther, and nothing is claimed where it does so by a tenth or more (17 of 100 null pairs whose entries "
    "have the tails of Student's t with 1.5 degrees of freedom would be called alike, or less alike). Too many or all are called alike of those whose rows have the same unequal norms in both, as W0's rows or a dense ΔW's may (measured once, of 40 pairs of noise "
    "whose rows' norms, W0's too, vary by a factor of 1.3: 40 of two models that were tuned in full, 26 of such a model and a LoRA, 6 of two LoRA)."
)


def tables(result: ComparisonResult) -> list[Table]:
    """The tests of the mean φ, and φ layer by layer."""
    what = f"{result.module} of {' and '.join(called_apart(result.one, result.other))}"
    by_layer = layer_table(result)
    many = len(result.layers) > MOST_LAYERS
    return [chance_table(result).under(what), _ends(by_layer) if many else by_layer]


def _ends(by_layer: Table) -> Table:
    """Least, median and most of more layers than a page is wide; CSV and JSON have every one."""
    rows = [
        [matrix, side, *ends(cells), mean, chance]
        for matrix, side, *cells, mean, chance in by_layer.rows
    ]
    title = by_layer.title.replace("layer by layer", f"over {len(by_layer.head) - 4} layers")
    return Table(title, [*by_layer.head[:2], *ENDS, *by_layer.head[-2:]], rows)


def layer_table(result: ComparisonResult) -> Table:
    """Table 3: a row a matrix, a column a layer, the mean and the Gaussian baseline at the end."""
    rows = [
        [
            LABELS[matrix],
            series.side,
            *(f"{value:.2f}" for value in series.values),
            number(series.mean),
            beside(float(series.baseline.mean), series.baseline.mean_sd),
        ]
        for matrix, series in result.items()
    ]
    title = (
        f"φ between two adapters, layer by layer: {result.module}, i = {result.i}, j = {result.j}"
    )
    return Table(title, ["matrix", "side", *map(str, result.layers), "mean", "gaussian"], rows)


def chance_table(result: ComparisonResult) -> Table:
    """The mean over the layers against each null: a row a matrix and null."""
    tested = ((matrix, series.mean, series.tests) for matrix, series in result.items())
    title = "Mean φ over the layers, against what chance gives; p: two-sided, uncorrected"
    return nulls_table(title, "layers", tested, result.draws, two_sided=True)


def chance_notes(result: ComparisonResult) -> list[str]:
    """Why that table counts no layers, where it is for want of draws."""
    tests = (test for series in result.values() for test in series.tests.values())
    return few_draws(result.draws, tests, "layers")


def legend(result: ComparisonResult) -> list[str]:
    """What the nulls and the columns of the summary mean."""
    series = next(iter(result.values()))
    names = "; ".join(f"{name}: {NULLS[name]}" for name in series.baselines)
    return [
        f"{names}.",
        _INDEPENDENT,
        columns_legend("layers", two_sided=True),
        *resolution(series.tests, "layers"),
    ]
