"""How much there is to compute: θ is fitted anew without each layer in every draw."""

from __future__ import annotations

from ...core.leading import DEGREE, block_of
from ...core.work import CALLS, Size, Work, of_conversions
from .prediction import DESCRIBING, FLIPS, VARIANTS

# Measured: how many times as long as its operations something takes beside one large product in float64.
_GATHERED = 3  # Gram matrices of rows that each draw picks, in float32
_ROUNDS = 3  # of an iteration


def work(of: Size) -> Work:
    """Of A and of B."""
    conversions = of_conversions(of, 1)
    if of.layers < 2:
        return conversions
    return conversions.plus(_captured(of), _predicted(of))


def _captured(of: Size) -> Work:
    """What one θ holds of every draw's conversions."""
    drawn = of.draws + min(of.draws, DESCRIBING)
    return Work(0, drawn * (of.layers * of.rank) ** 3 / 2, CALLS * drawn * of.layers)


def _predicted(of: Size) -> Work:
    """One decomposition of W0 a layer, what the other layers' W0 see, and the fits."""
    layers, rows, columns, rank, draws = of
    wide, n = max(rows, columns), (layers - 1) * rank
    fits = 2 * layers * (draws + 2 * min(draws, DESCRIBING))
    fit = min(_GATHERED * 2 * n**2 * wide, _ROUNDS * (2 * DEGREE + 2) * block_of(rank) * wide**2)
    spaces = 2 * layers * 4 * wide**3
    whitened = 2 * layers**2 * 2 * min(draws, VARIANTS) * rank * wide**2
    flips = 2 * layers * FLIPS * 2 * wide * rank**2
    return Work(fits * fit + spaces + whitened + flips, layers * of.one_w0, CALLS * fits)
