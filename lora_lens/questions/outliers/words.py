"""What is seen in the coordinates that conversions hold. φ of conversions describes, as in `lora_lens.conversion_similarity`."""

from __future__ import annotations

import math

from ...show.layout import true_minus
from ...show.wording import few
from .result import LEVEL, OutliersResult

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
            f"{start} no {kind} coordinate stands apart from the others by its {what[:-1]} of W0 (at a level "
            f"of {LEVEL:g})"
        )
    named = [one.coordinate for one in result.coordinates]
    norms = [value for one in result.coordinates for value in one.column_norm]
    times = [one.propagated_share.mean() / result.by_chance for one in result.coordinates]
    one = len(named) == 1
    reached = min(norms) if result.inverse else max(norms)
    size = "large" if not result.inverse else "nearly empty" if reached < _EMPTY else "short"
    many = f"{min(times):.1f} to {max(times):.1f}" if len(times) > 1 else f"{times[0]:.1f}"
    return (
        f"{start} {kind} coordinate{'' if one else 's'} {few(map(str, named), _MOST_NAMED)} "
        f"{'has a' if one else 'have'} {size} {what[:-1] if one else what} in W0 ({'down' if result.inverse else 'up'} "
        f"to {reached:.2f} of the median norm), {'so' if min(times) > 1 else 'but'} whatever goes through {'W0⁻¹' if result.inverse else 'W0⁺'} "
        f"holds {'it' if one else 'them'} {many} times as much as by chance"
    )


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
    alone = f", and {_percent(first.explains)} to {first.coordinate} alone" if several else ""
    return (
        f"; with {those} at the median norm they have {result.after.mean:.3f}, so {_percent(result.explained)} of the "
        f"excess is due to {'them' if several else 'it'}{alone}"
    )


def _percent(share: float) -> str:
    return f"{true_minus(f'{100 * share:.0f}')} %"
