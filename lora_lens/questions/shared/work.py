"""How much there is to compute: θ is fitted anew without each layer in every draw."""

from __future__ import annotations

from ...core.computing.work import CALLS, Size, Work, of_bases, of_grids
from ...core.shared.chebyshev import DEGREE, block_of
from .flips import FLIPS
from .predicted import DESCRIBING
from .variants import counts

# Measured: how many times as long as its operations something takes beside one large product in float64.
_GATHERED = 3  # Gram matrices of rows that each draw picks, in float32
_ROUNDS = 3  # of an iteration


def work(of: Size) -> Work:
    """Of A and of B."""
    return Work().plus(*passes(of, 2))


def passes(of: Size, factors: int, *, carried: bool = False) -> tuple[Work, ...]:
    """What is done one after the other: conversions, what one θ holds of them, W0's directions, fits of each factor.

    Args:
        of: Sizes.
        factors: How many, of A and B.
        carried: Whether θ is carried over to another adapter, too: its W0's directions behind all.
    """
    shared = of.layers > 1
    directions = Work(0, of.layers * of.one_w0) if shared else Work()
    fits = _fits(of) if shared else Work()
    captured = _captured(of) if shared else Work()
    conversions = of_bases(of, 1).plus(of_grids(of, 1))
    every = (conversions, captured, directions, *(fits,) * factors)
    return (*every, directions) if carried else every


def _captured(of: Size) -> Work:
    """What one θ holds of every draw's conversions."""
    drawn = of.draws + min(of.draws, DESCRIBING)
    return Work(0, drawn * (of.layers * of.rank) ** 3 / 2, CALLS * drawn * of.layers)


def _fits(of: Size) -> Work:
    """Of one factor: what the other layers' W0 see, and θ of every draw."""
    layers, rows, columns, rank, draws, _ = of
    wide, n = max(rows, columns), (layers - 1) * rank
    fits = layers * (draws + 2 * min(draws, DESCRIBING))
    fit = min(_GATHERED * 2 * n**2 * wide, _ROUNDS * (2 * DEGREE + 2) * block_of(rank) * wide**2)
    spaces = layers * 4 * wide**3
    whitened = layers**2 * 2 * counts(layers, draws).flipped * rank * wide**2
    flips = layers * FLIPS * 2 * wide * rank**2
    return Work(fits * fit + spaces + whitened + flips, 0, CALLS * fits)
