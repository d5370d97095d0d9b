"""How much there is to compute, from shapes alone: counts, and not seconds, which depend on the machine."""

from __future__ import annotations

from typing import NamedTuple

# Measured: how many times as long as its operations something takes beside one large product in float64.
_TALL = 20  # the QR of a basis, which is tall and thin
CALLS = 5  # small decompositions that a fit or a basis takes as long as, beside its operations


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


# Of each kind in a second, on one core of a usual machine.
_USUAL = Work(40e9, 1.4e9, 5e4)
_ALL = 1000


def seconds_of(work: Work, speed: Work) -> float:
    """What it takes, one kind after the other.

    Example:
        >>> seconds_of(Work(6.0, 2.0, 0.0), Work(3.0, 4.0, 1.0))
        2.5
    """
    return sum(amount / rate for amount, rate in zip(work, speed, strict=True))


def beside(*works: Work) -> tuple[int, ...]:
    """How long each takes of what all take, in thousandths and about, on a usual machine.

    Example:
        >>> beside(Work(1e9), Work(3e9), Work())
        (250, 750, 0)
    """
    seconds = [seconds_of(work, _USUAL) for work in works]
    return tuple(round(_ALL * one / sum(seconds)) for one in seconds)


class Size(NamedTuple):
    """What a question about one module is asked of.

    Attributes:
        layers: How many.
        rows, columns: Of W0.
        rank: Of the factors.
        draws: Of each null.
        dense: Of how many adapters ΔW is dense, of W0's size.
    """

    layers: int
    rows: int
    columns: int
    rank: int
    draws: int
    dense: int = 0

    @property
    def one_w0(self) -> int:
        """long·short²: what a decomposition of one W0 grows with."""
        return self.rows * self.columns * min(self.rows, self.columns)


def of_bases(of: Size, nulls: int) -> Work:
    """One factorisation a layer, right-hand sides of so many nulls' draws, and their bases.

    The adapter's own factors go through every layer's W0, too.

    Example:
        >>> one, twice = (of_bases(Size(6, n, n, 8, 0), 1).products for n in (8192, 16384))
        >>> round(twice / one)  # the factorisation is nearly all of it
        8
    """
    layers, rows, columns, rank, draws, _ = of
    wide, bases = max(rows, columns), (nulls * draws + layers) * layers
    factored = layers * 2 * of.one_w0
    solved = 2 * bases * rank * rows * columns
    found = bases * _TALL * 4 * wide * rank**2
    return Work(factored + solved + found, 0, CALLS * bases)


def of_grids(of: Size, nulls: int) -> Work:
    """φ of every two layers, in every draw of so many nulls.

    Example:
        >>> of_grids(Size(2, 3, 5, 1, 10), 1)
        Work(products=200, decompositions=0.0, small=0.0)
    """
    return Work(nulls * of.draws * (of.layers * of.rank) ** 2 * max(of.rows, of.columns))


def of_factors(of: Size) -> Work:
    """Spectra and bases of the factors themselves: nothing of W0's size; of a dense ΔW its decompositions.

    Example:
        >>> of_factors(Size(6, 384, 1536, 8, 200))
        Work(products=1474560, decompositions=0, small=24)
    """
    products = 2 * of.layers * (of.rows + of.columns) * of.rank**2
    return Work(products, of.dense * of.layers * of.one_w0, 4 * of.layers)
