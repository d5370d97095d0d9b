"""What is seen in the coordinates that conversions hold. φ of conversions describes, as in `lora_lens.conversion_similarity`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...labelled import Array
from ...show.layout import true_minus
from ...show.wording import few, span
from .result import LEVEL, Coordinate, OutliersResult

_MOST_NAMED = 12
_EMPTY = (
    0.5  # of the median norm: above it a column that stands apart is short, and not nearly empty
)


def summary(result: OutliersResult) -> str:
    """Which coordinates stand apart, what hangs on them, and what an adapter has beside them."""
    parts = [_named(result), _propagated(result) + _explained(result), _adapter(result)]
    return f"{'; '.join(filter(None, parts))}."


def _adapter(result: OutliersResult) -> str:
    if result.adapter is None or math.isnan(result.before.observed):
        return ""
    rescaled = f", and {result.after.observed:.3f} at that norm" if result.coordinates else ""
    return f"this adapter's conversions have {result.before.observed:.3f}{rescaled}; this is no test of sharing (`shared` is)"


def columns(result: OutliersResult) -> str:
    """What of W0 belongs to a coordinate."""
    return "columns" if result.space == "inputs" else "rows"


def _named(result: OutliersResult) -> str:
    kind, what = result.space[:-1], columns(result)
    start = f"{result.module}, conversions of {result.matrix}:"
    if not result.coordinates:
        return (
            f"{start} no {kind} coordinate stands apart from the others by a {'short' if result.inverse else 'large'} "
            f"{what[:-1]} of W0 (at a level of {LEVEL:g})"
        )
    named = result.coordinates
    one = len(named) == 1
    times = [float(each.propagated_share.mean()) / result.by_chance for each in named]
    low, high = (f"{end:.1f}" for end in (min(times), max(times)))
    mean = " in the mean over the layers" if len(result.layers) > 1 else ""
    return (
        f"{start} {kind} coordinate{'' if one else 's'} {_numbers(named)} {'has a' if one else 'have'} {_columns(result)}, "
        f"{'so' if min(times) > 1 else 'but'} random factors that go through {'W0⁻¹' if result.inverse else 'W0⁺'} hold "
        f"{'it' if one else 'them'} {span(low, high)} times as much as by chance{mean}"
    )


def _numbers(coordinates: Sequence[Coordinate]) -> str:
    return few((str(one.coordinate) for one in coordinates), _MOST_NAMED)


def _columns(result: OutliersResult) -> str:
    """Of which size the named columns are, in how many layers, and which of the short ones are nearly empty."""
    named = result.coordinates
    what = columns(result)[:-1] if len(named) == 1 else columns(result)
    if not result.inverse:
        return (
            f"large {what} in W0{_where(result, named, lambda norms: norms > 1)}{_reached(result)}"
        )
    empty = [one for one in named if one.column_norm.min() < _EMPTY]
    where_empty = _where(result, empty, lambda norms: norms < _EMPTY) if empty else ""
    if len(empty) == len(named):
        return f"nearly empty {what} in W0{where_empty}{_reached(result)}"
    short = f"short {what} in W0{_where(result, named, lambda norms: norms < 1)}{_reached(result)}"
    of = "that" if len(empty) == 1 else "those"
    return f"{short}, {of} of {_numbers(empty)} nearly empty{where_empty}" if empty else short


def _where(
    result: OutliersResult, some: Sequence[Coordinate], is_so: Callable[[Array], NDArray[np.bool_]]
) -> str:
    """In how many layers, the fewest and the most; nothing of one layer, in which it is."""
    counts = [int(is_so(one.column_norm).sum()) for one in some]
    low, high, of = min(counts), max(counts), len(result.layers)
    if of == 1:
        return ""
    return (
        f" in all {of} layers" if low == of else f" in {span(str(low), str(high))} of {of} layers"
    )


def _reached(result: OutliersResult) -> str:
    norms = np.stack([one.column_norm for one in result.coordinates])
    most = norms.min() if result.inverse else norms.max()
    way = f"{'down' if result.inverse else 'up'} to " if norms.size > 1 else ""
    return f" ({way}{most:.2f} of the median norm)"


def _propagated(result: OutliersResult) -> str:
    if math.isnan(result.before.mean):
        return "there is one layer only, so no layers can be compared"
    deep = "" if math.isnan(result.before.deep) else f" ({result.before.deep:.3f} in the deep half)"
    return (
        f"between layers, conversions of random factors have a mean φ of {result.before.mean:.3f}{deep}, where unrelated "
        f"subspaces have {result.gaussian[0]:.3f}"
    )


def _explained(result: OutliersResult) -> str:
    if not result.coordinates or math.isnan(result.explained):
        return ""
    first = result.coordinates[0]
    several = len(result.coordinates) > 1
    those = (
        f"those {len(result.coordinates)} {columns(result)}"
        if several
        else f"that {columns(result)[:-1]}"
    )
    alone = (
        f", and {_percent(first.explains)} to number {first.coordinate} alone" if several else ""
    )
    return (
        f"; with {those} at the median norm they have {result.after.mean:.3f}, so {_percent(result.explained)} of the "
        f"excess is due to {'them' if several else 'it'}{alone}"
    )


def _percent(share: float) -> str:
    return f"{true_minus(f'{100 * share:.0f}')} %"
