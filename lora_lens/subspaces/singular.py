"""Layers whose W0 is singular: what cannot be asked of them, and what a reader is told of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..core.solving.factoring import Factored
from ..errors import RankError, SingularError
from .conversions import Plan


class Singular(NamedTuple):
    """A layer whose W0 is rank-deficient: its numerical rank, and the share of σ_max up to which a singular value was zero."""

    layer: int
    rank: int
    cutoff: float


def singular_layers(plan: Plan, factored: Factored, layers: Sequence[int]) -> list[Singular]:
    """Those of a few layers that are at hand, where a Moore-Penrose solution stands in for the inverse; a ridge needs none.

    Raises:
        SingularError: Under ``stored``, or with a ridge where the median singular value is zero.
        RankError: Conversion matrices of one have fewer singular vectors than are asked for.

    Example:
        >>> import torch
        >>> import lora_lens as ll
        >>> from lora_lens.core.solving.factoring import factor
        >>> w0 = torch.eye(384, dtype=torch.float64)[None].clone()
        >>> w0[0, 7, 7] = 0
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "consistent", draws=0)
        >>> singular_layers(plan, factor(w0, 2**-23, torch.float64), [3])
        [Singular(layer=3, rank=383, cutoff=1.1920928955078125e-07)]
    """
    full = _full(plan)
    ranks = zip(layers, factored.rank.tolist(), strict=True)
    found = [Singular(layer, rank, factored.cutoff) for layer, rank in ranks if rank < full]
    if not found:
        return []
    least = min(one.rank for one in found)
    what = _said(plan, found)
    if len(layers) < len(plan.factors.layers):
        what += ", and perhaps in others"
    if plan.ridge and least <= (full - 1) // 2:
        raise SingularError(
            f"{what}: over half of its singular values are zero, and so is their median, which a ridge is "
            f"in units of; leave the ridge at 0"
        )
    if plan.convention == "stored" and not plan.ridge:
        raise SingularError(
            f"{what}; it has no inverse. Use the convention 'consistent', which takes the pseudo-inverse"
        )
    if plan.width > least:
        raise RankError(f"{what}; its conversion matrices have no {plan.width} singular vectors")
    return [] if plan.ridge else found


def moore_penrose(plan: Plan, found: Iterable[Singular]) -> str:
    """That a Moore-Penrose solution stands in for the inverse, with each layer's rank and cut-off; nothing of no layer.

    Example:
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "consistent", draws=0)
        >>> moore_penrose(plan, [Singular(3, 380, 2**-23)])
        'W0 of value is singular in layer 3 (rank 380 of 384) under the cut-off 1.2e-07·σ_max; using the Moore-Penrose solution'
    """
    every = sorted(found)
    return f"{_said(plan, every)}; using the Moore-Penrose solution" if every else ""


def _said(plan: Plan, found: Sequence[Singular]) -> str:
    """A cut-off is of W0's dtype in its file, which few models have two of."""
    by_cutoff: dict[float, list[str]] = {}
    for one in found:
        by_cutoff.setdefault(one.cutoff, []).append(
            f"layer {one.layer} (rank {one.rank} of {_full(plan)})"
        )
    where = [
        f"{', '.join(layers)} under the cut-off {cutoff:.1e}·σ_max"
        for cutoff, layers in by_cutoff.items()
    ]
    return f"W0 of {plan.factors.module} is singular in {' and in '.join(where)}"


def _full(plan: Plan) -> int:
    return min(plan.factors.out_features, plan.factors.in_features)
