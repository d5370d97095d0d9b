"""The least memory that the forward question takes, in bytes, counted from shapes above what is measured."""

from __future__ import annotations

import math

from ...adapter import Adapter
from ...chance.least_memory import leasts
from ...core.conversions.conversion import ConventionChoice
from ...core.shared.chebyshev import block_of
from ...core.shared.refits import theta_costs_less
from ...subspaces.convention import settle_convention
from ...subspaces.conversions import Plan
from ...subspaces.dimensions import select_dimensions
from ...subspaces.memory import Least
from ...subspaces.selection import select_module
from .predicted import DESCRIBING
from .variants import counts

# An entry of W0: itself, its singular vectors, what LAPACK takes, and a layer being put away.
_DECOMPOSED = 8 * 8
# An entry of a sum over layers: itself, a layer's, Cholesky's factor, its inverse, and copies.
_SUMS = 8 * 8
_BESIDE = 8 + 3 * 4 + 8  # an entry of W0 of *every* layer, where θ itself is iterated
# A number of all layers' factors: bases, these on W0's directions and beside them, pulled back, whitened.
_FACTORS = 8 * 8
# An entry of the Gram matrix of what is pulled back: itself, its eigenvectors, what LAPACK takes.
_FITTED = 8 * 4
# An entry of the Gram matrix of conversions: itself, its eigenvectors, and as much and more without a layer.
_LEFT_OUT = 8 * 8
_OTHER = 1 << 27  # flips of one layer, fits of some draws


def least(
    adapter: Adapter,
    module: str,
    rank: int | None,
    *,
    convention: ConventionChoice,
    draws: int,
) -> tuple[Least, ...]:
    """Of all of it, where a report asks it: of both factors, and θ as wide as they are."""
    factors = select_module(adapter, module)
    r, _ = select_dimensions(rank, None, None, min(factors.ranks))
    settled = settle_convention(convention, factors, adapter)
    plan = Plan(factors, ("A", "B"), r, r, "left", settled.name, draws)
    return leasts(plan, ("propagated",), *of_forwards(plan, r))


def of_forwards(plan: Plan, k: int) -> tuple[Least, Least]:
    """One decomposition of W0 or the sums over layers, beside what draws pick from; and what describes."""
    factors, draws = plan.factors, plan.draws
    layers, rank = len(factors.layers), max(factors.ranks)
    rows, columns = factors.out_features, factors.in_features
    wide = max(rows, columns)
    sums = 8 * (1 + math.ceil(math.log2(max(2, layers)))) + _SUMS
    of_w0 = max(_DECOMPOSED * rows * columns, sums * wide**2)
    stacked = layers * rank
    own = _FACTORS * stacked * wide + _FITTED * stacked**2
    picked = 8 * stacked * wide * _variants(layers, draws)
    started = 4 * 2 * draws * min(block_of(k), stacked) * stacked
    iterated = draws and theta_costs_less(
        layers, counts(layers, draws).flipped, rank, wide, draws, k
    )
    every = _BESIDE * layers * wide**2 if iterated else 0
    return (
        Least(
            of_w0 + own + picked + started + every + _OTHER,
            f"sums of {wide}x{wide} over {layers} layers, and factors of all of them that draws pick from",
        ),
        _captured(plan),
    )


def _variants(layers: int, draws: int) -> int:
    """Copies of all layers' factors in float64: of each null its variants, these again in float32, twice, and as drawn."""
    flipped, uniform = counts(layers, draws)
    return 3 * flipped + 5 * uniform + 3 * (layers if draws else 0)


def _captured(plan: Plan) -> Least:
    """Four times over, all draws at once; or the adapter's own, left out one by one."""
    columns = len(plan.factors.layers) * plan.width
    wide = max(plan.factors.out_features, plan.factors.in_features)
    unrelated = 8 * 4 * min(plan.draws, DESCRIBING) * columns * min(columns, wide)
    return Least(max(unrelated, _LEFT_OUT * columns**2), "subspaces of all layers")
