"""How much there is to compute for each question of a report, from shapes alone.

Counts and not seconds: `lora_lens.report.speed` measures how fast this machine goes through each kind.
"""

from __future__ import annotations

from typing import NamedTuple

from ..core.leading import DEGREE, block_of
from ..questions.shared.prediction import DESCRIBING, FLIPS, VARIANTS


class Work(NamedTuple):
    """Of three kinds, for a machine that is fast at one may be slow at another.

    Attributes:
        products: Operations of matrix products, and of what is made of them (LU, Cholesky), in float64;
            one in float32 counts half.
        decompositions: Σ long·short² of singular value decompositions in float64.
        small: Decompositions of matrices so small that calling for them takes the time.
    """

    products: float = 0.0
    decompositions: float = 0.0
    small: float = 0.0

    def plus(self, *others: Work) -> Work:
        """All of it."""
        return Work(*map(sum, zip(self, *others, strict=True)))


class Size(NamedTuple):
    """What a question about one module is asked of.

    Attributes:
        layers: How many.
        rows, columns: Of W0.
        rank: Of the factors.
        draws: Of each null.
    """

    layers: int
    rows: int
    columns: int
    rank: int
    draws: int

    @property
    def one_w0(self) -> int:
        """long·short²: what a decomposition of one W0 grows with."""
        return self.rows * self.columns * min(self.rows, self.columns)


# Measured: how many times as long as its operations something takes beside one large product in float64.
_TALL = 20  # the QR of a basis, which is tall and thin
_GATHERED = 3  # Gram matrices of rows that each draw picks, in float32
_ROUNDS = 3  # of an iteration
_CALLS = 5  # small decompositions that a fit or a basis takes as long as, beside its operations
_DRAWN = 2  # nulls whose draws have bases of their own, and φ


def of_similarity(of: Size) -> Work:
    """One factorisation a layer, right-hand sides of every draw, their bases, and φ of every two layers."""
    layers, rows, columns, rank, draws = of
    wide, bases = max(rows, columns), (_DRAWN * draws + layers) * layers
    factored = layers * 2 * of.one_w0
    solved = 2 * bases * rank * rows * columns
    found = bases * _TALL * 4 * wide * rank**2
    grids = _DRAWN * draws * (layers * rank) ** 2 * wide
    return Work(factored + solved + found + grids, 0, _CALLS * bases)


def of_shared(of: Size) -> Work:
    """One decomposition of W0 a layer; of A and of B, θ fitted anew without each layer in every draw."""
    layers, rows, columns, rank, draws = of
    conversions = of_similarity(of)
    if layers < 2:
        return conversions
    wide, n = max(rows, columns), (layers - 1) * rank
    described = min(draws, DESCRIBING)
    fits = 2 * layers * (draws + 2 * described)
    fit = min(_GATHERED * 2 * n**2 * wide, _ROUNDS * (2 * DEGREE + 2) * block_of(rank) * wide**2)
    spaces = 2 * layers * 4 * wide**3
    whitened = 2 * layers**2 * 2 * min(draws, VARIANTS) * rank * wide**2
    flips = 2 * layers * FLIPS * 2 * wide * rank**2
    fitted = Work(fits * fit + spaces + whitened + flips, layers * of.one_w0, _CALLS * fits)
    held = draws + described
    captured = Work(0, held * (layers * rank) ** 3 / 2, _CALLS * held * layers)
    return fitted.plus(captured, conversions)


def of_comparison(of: Size) -> Work:
    """One decomposition of W0 a layer, and small products."""
    flips = 2 * of.layers * of.draws * (of.rows + of.columns) * of.rank**2
    return Work(flips, of.layers * of.one_w0, of.layers * of.draws)


def of_spectra(of: Size) -> Work:
    """Three decompositions a layer: of W0, of W0 + ΔW, and of one with a random ΔW."""
    return Work(0, 3 * of.layers * of.one_w0, 0).plus(of_factors(of))


def of_factors(of: Size) -> Work:
    """Nothing of W0's size."""
    return Work(2 * of.layers * (of.rows + of.columns) * of.rank**2, 0, 4 * of.layers)
