"""What one shared layer captures, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...chance.against_null import NullTest
from ...chance.significance import LEVEL
from ...several import counted
from ...show.csv_text import as_csv
from ...show.findings import Finding
from ...show.layout import (
    LABELS,
    Table,
    beside,
    called,
    called_apart,
    drawn,
    number,
    p_value,
    signed,
)
from ...show.many_rows import MOST_LAYERS, condensed, smallest_p
from ...show.wording import ridge_words
from .predicted import DESCRIBING, Predicted
from .result import SharedNull, SharedResult, SharedSubspace

SOMETIMES = ("-predicted.csv", "-carried.csv")
_SHOWN = ("captured", "left out")
_P = "p: two-sided, uncorrected"  # as the sentence's is before it is corrected
_STRIKING = 10  # rows of more layers than are shown


def tables(result: SharedResult) -> list[Table]:
    """The summary, and the layers of each matrix."""
    what = f"{title(result)}; {called(result.adapter)} on {called(result.base)}"
    first, *rest = [*every_predicted(result), chance_table(result)]
    by_layer = (condensed(layer_table(one)) for one in result.values())
    return [first.under(what), *rest, *by_layer]


def every_predicted(result: SharedResult) -> list[Table]:
    """`predicted_tables`; of many layers the most striking ones, and CSV and JSON have all."""
    return [
        smallest_p(one, _STRIKING)
        if one.head[0] == "layer" and len(one.rows) > MOST_LAYERS
        else one
        for one in predicted_tables(result)
    ]


def predicted_tables(
    result: SharedResult, findings: Sequence[Finding] | None = None
) -> list[Table]:
    """The predicted share beside its nulls, and by layer; none of one layer.

    Args:
        result: Of which.
        findings: Those that the sentence above is made of, for p is corrected over as many; by default
            the result's own.
    """
    tests = max(one.verdict.family for one in findings) if findings else result.tests
    asked = [one.predicted for one in result.values() if one.predicted is not None]
    carried = [one.carried for one in result.values() if one.carried is not None]
    found = (
        [predicted_table(asked), *(predicted_layers(one, tests) for one in _determined(asked))]
        if asked
        else []
    )
    if carried:
        first = predicted_table(carried)._replace(
            title=f"Share of the other adapter's factor that this one's θ predicts, mean; {_P}"
        )
        layers = [predicted_layers(one, tests, "carried over") for one in _determined(carried)]
        found = [first, *layers, *found]
    return found


def _determined(asked: Sequence[Predicted]) -> list[Predicted]:
    return [one for one in asked if not one.trivial]


def predicted_table(asked: Sequence[Predicted]) -> Table:
    """Mean predicted share beside each null, a row a matrix and null."""
    head = ["matrix", "predicted", "null", "draws", "mean ± sd", "z", "p", "excess"]
    rows = []
    for one in asked:
        labels = [LABELS[one.matrix], number(one.mean)]
        for name in ("flipped", "uniform", "mismatched"):
            if (test := one.nulls.get(name)) is not None:
                rows.append([
                    *labels, name, drawn(one.draws[name]), beside(test.mean, test.sd),
                    signed(test.z, 1), p_value(test.p_two_sided), signed(test.excess, 3),
                ])  # fmt: skip
                labels = [""] * 2
        if not one.nulls:
            rows.append([*labels, "uniform", "–", number(one.chance), "–", "–", "–"])
    return Table(
        f"Share of a layer's factor that the other layers' θ predicts, mean; {_P}", head, rows
    )


def predicted_layers(one: Predicted, tests: int, what: str = "predicted") -> Table:
    """Predicted share of each layer against flips of that layer alone, p corrected over the tests too."""
    test, named = one.by_layer, one.p_named(tests)
    rows = [
        [
            str(layer), number(float(one.share[k])),
            beside(float(test.mean[k]), float(test.sd[k])), p_value(float(test.p[k])),
            p_value(float(named[k])),
        ]
        for k, layer in enumerate(one.layers)
    ]  # fmt: skip
    return Table(
        f"{LABELS[one.matrix]}: {what} by layer; p (Holm): {len(one.layers)} layers"
        f"{f' × {tests} tests' if tests > 1 else ''}; read only if the mean is above chance",
        ["layer", "predicted", "flipped", "p", "p (Holm)"],
        rows,
    )


def texts(result: SharedResult) -> dict[str, str]:
    """Tidy numbers as CSV, by what follows the files' stem."""
    label = {"module": result.module}
    forwards = {
        name: [
            label | row for one in asked if one is not None for row in one.rows(name, result.tests)
        ]
        for name, asked in (
            ("predicted", [one.predicted for one in result.values()]),
            ("carried", [one.carried for one in result.values()]),
        )
    }
    files = {f"-{name}.csv": as_csv(rows) for name, rows in forwards.items() if rows}
    return {".csv": as_csv(result.rows())} | files


def title(result: SharedResult) -> str:
    """What is shared, in one line."""
    carried = (
        "" if result.other is None
        else f", carried over to {called_apart(result.adapter, result.other)[1]}"
    )  # fmt: skip
    return (
        f"One shared layer of width {result.width} for {result.module}: rank {result.rank}, "
        f"{counted(len(result.layers), 'layer')}{ridge_words(result.ridge)}{carried}"
    )


def chance_table(result: SharedResult) -> Table:
    """Mean shares over the layers beside each null, a row a matrix, share and null."""
    head = ["matrix", "share", "mean", "null", "draws", "mean ± sd", "z", "p", "excess"]
    rows = [
        [
            LABELS[matrix], what, number(value), name, drawn(draws), beside(test.mean, test.sd),
            signed(test.z, 1), p_value(test.p), signed(test.excess, 3),
        ]
        for matrix, shared in result.items()
        for what, value, tests in _means(shared)
        for name, draws, test in tests
    ]  # fmt: skip
    title = f"Share of the conversions' subspaces ({result.convention}), mean over the layers"
    return Table(title, head, rows)


def _means(
    shared: SharedSubspace,
) -> Iterator[tuple[str, float, list[tuple[str, int, NullTest[float]]]]]:
    nulls = shared.nulls.items()
    yield _SHOWN[0], shared.share, [(name, null.draws, null.share) for name, null in nulls]
    left_out = [(name, null.draws, null.mean_left_out) for name, null in nulls]
    yield _SHOWN[1], shared.mean_left_out, left_out


def layer_table(shared: SharedSubspace) -> Table:
    """Captured and left-out share of each layer beside the null: the propagated one where it was drawn."""
    name, null = list(shared.nulls.items())[-1]
    head = ["layer", *(head for what in _SHOWN for head in (what, name, "p", "excess"))]
    rows = [
        [str(layer), *_cells(shared, null, position)]
        for position, layer in enumerate(shared.layers)
    ]
    return Table(f"{LABELS[shared.matrix]} by layer", head, rows)


def _cells(shared: SharedSubspace, null: SharedNull, position: int) -> Iterator[str]:
    for values, test in ((shared.captured, null.captured), (shared.left_out, null.left_out)):
        mean, sd, p, excess = (
            float(np.asarray(series)[position])
            for series in (test.mean, test.sd, test.p, test.excess)
        )
        yield from (
            number(float(values[position])), beside(mean, sd), p_value(p), signed(excess, 3)
        )  # fmt: skip


def legend(result: SharedResult) -> list[str]:
    """What the words in the tables mean."""
    least = " and ".join(
        f"{value:.3f}" for value in dict.fromkeys(s.least for s in result.values())
    )
    return [
        "predicted: by the θ fitted to the other layers, in the factor's own space, no W0 inverted. flipped: "
        "the factor turned by random signs on its own W0's singular directions, which keeps where it lies on "
        "them: the verdict comes from it. uniform: unrelated factors; mismatched: factors shuffled over the "
        "layers; both describe, for layers share leading directions",
        f"p (Holm): over the layers of one factor, times the number of tests, upper tail; of a factor whose mean "
        f"is more than chance the sentence names the layers where it is at most {LEVEL}",
        f"captured: by the best layer of width {result.width} fitted to all layers, {least} at least; "
        f"left out: by the best one of the other layers",
        "gaussian: unrelated subspaces; propagated: random factors through the same W0; p of their shares: "
        "upper tail, uncorrected, 1/(draws + 1) at least. Nulls that only describe (uniform, mismatched, gaussian) "
        f"have {DESCRIBING} draws at most, whatever is asked for; – is closed form alone",
    ]
