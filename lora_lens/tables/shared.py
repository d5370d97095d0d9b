"""What one shared layer captures, as plain tables of text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..results import NullTest, SharedNull, SharedResult, SharedSubspace
from .layout import LABELS, Table, number

_SHOWN = ("captured", "left out")


def shared_title(result: SharedResult) -> str:
    """What is shared, in one line."""
    return (
        f"One shared layer of width {result.width} for {result.module}: rank {result.rank}, "
        f"{len(result.layers)} layers, {result.convention}"
    )


def shared_summary(result: SharedResult) -> Table:
    """Mean shares over the layers beside each null, a row a matrix, share and null."""
    head = ["matrix", "share", "mean", "null", "mean ± sd", "z", "p", "excess"]
    rows = [
        [LABELS[matrix], what, number(value), name, *_against(test)]
        for matrix, shared in result.items()
        for what, value, tests in _means(shared)
        for name, test in tests
    ]
    return Table("Share of the conversions' subspaces, mean over the layers", head, rows)


def _means(
    shared: SharedSubspace,
) -> Iterator[tuple[str, float, list[tuple[str, NullTest[float]]]]]:
    nulls = shared.nulls.items()
    yield _SHOWN[0], shared.share, [(name, null.share) for name, null in nulls]
    yield _SHOWN[1], shared.mean_left_out, [(name, null.mean_left_out) for name, null in nulls]


def _against(test: NullTest[float]) -> list[str]:
    z, p, excess = (float(value) for value in (test.z, test.p, test.excess))
    signed = "–" if not np.isfinite(z) else f"{z:+.1f}"
    return [_beside(test.mean, test.sd), signed, number(p), number(excess)]


def _beside(mean: object, sd: object) -> str:
    mean, sd = float(mean), float(sd)  # type: ignore[arg-type]
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.3f} ± {number(sd)}"


def shared_by_layer(shared: SharedSubspace) -> Table:
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
        yield number(float(values[position]))
        yield _beside(mean, sd)
        yield number(p)
        yield number(excess)


def shared_legend(result: SharedResult) -> list[str]:
    """What the words in the tables mean."""
    least = " and ".join(
        f"{value:.3f}" for value in dict.fromkeys(s.least for s in result.values())
    )
    return [
        f"captured: by the best layer of width {result.width} fitted to all layers, {least} at least; "
        f"left out: by the best one of the other layers",
        "gaussian: unrelated subspaces; propagated: random factors through the same W0; "
        "p: upper tail, uncorrected",
    ]
