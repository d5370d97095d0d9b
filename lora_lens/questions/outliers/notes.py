"""What a reader of a result of `outliers` is told beside its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ...chance.spacings import most_outliers
from ...labelled import Array
from ...show.wording import few
from ...subspaces.conversions import Plan
from .asked import Asked
from .explaining import Explained

_STRIKING = 3
_MOST_NAMED = 12  # of empty ones


def notes_of(
    asked: Asked,
    plan: Plan,
    relative: Float[Tensor, "layer d"],
    inverse: bool,
    explained: Explained,
    what: str,
) -> Iterator[str]:
    """What these coordinates are not, or say less of: by the shape of W0, its empty columns, the ranks, the layers.

    Args:
        asked: What was asked, of whose factors.
        plan: Of the conversions.
        relative: Norms of W0's columns beside each layer's median.
        inverse: Whether W0⁻¹ magnifies a column that is nearly empty.
        explained: What the named ones explain.
        what: ``columns`` or ``rows``.
    """
    if not inverse:
        yield (
            f"W0 has more {what} than it has dimensions for: the pseudo-inverse shrinks an empty one, so "
            f"large {what} are looked for, and scaled down"
        )
    empty = [k for k in explained.order if bool((relative[:, k] == 0).any())]
    if empty:
        many = len(empty) > 1
        yield (
            f"W0 is zero in coordinate{'s' * many} {few(map(str, empty), _MOST_NAMED)} of some layer, which the "
            f"pseudo-inverse leaves out: {'they are' if many else 'it is'} named, and nothing there can be scaled"
        )
    if len(set(plan.factors.ranks)) > 1:
        yield (
            f"ranks differ between layers: the {plan.width} leading singular vectors of each conversion "
            f"are taken, and these are what is rescaled"
            + "; which they are depends on the gauge that training left A and B in, (A, B) or (GA, BG⁻¹)"
            * (asked.adapter is not None)
        )
    if len(relative) == 1:
        yield "there is one layer only, so no layers can be compared"
    elif explained.order and not explained.alone:
        yield (
            "random factors through this W0 are no more alike than unrelated subspaces, so there is no "
            "excess for a coordinate to explain"
        )
    if asked.adapter is None:
        yield f"factors are untrained Gaussian ones of rank {plan.width}: shares are means over the draws"


def crowd_said(
    magnified: Array, named: Sequence[int], what: str, *, inverse: bool
) -> Iterator[str]:
    """Of more columns than can stand apart nothing is said otherwise."""
    most = most_outliers(len(magnified))
    if most and np.sort(magnified)[-most - 1] > _STRIKING * np.median(magnified):
        yield (
            f"more than {most} of {len(magnified)} {what} of W0 are magnified over {_STRIKING} times as much as the median, "
            f"{'nearly empty' if inverse else 'large'} as they are; of so many none{', beside those that are named,' if named else ''} is told from "
            f"the rest by a gap"
        )
