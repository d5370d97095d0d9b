"""On what terms the claim is asked forwards, of both factors and of θ that is carried over alike."""

from __future__ import annotations

from typing import NamedTuple


class Terms(NamedTuple):
    """How θ is fitted, and what its shares are tested by.

    Attributes:
        rank, width: r, directions of each layer's factor, and k, columns of θ.
        draws: Of the mean's flips, each with all fits anew; 0 for none. Of the other nulls 50 at most.
        seed: Of all draws.
        tests: How many means are tested, for `Predicted.detectable`.
        ridge: Of the fits, the draws' too; see `left_out`.
    """

    rank: int
    width: int
    draws: int = 0
    seed: int = 0
    tests: int = 1
    ridge: float = 0.0
