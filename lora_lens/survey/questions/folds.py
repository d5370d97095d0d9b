"""How a place's adapters are dealt, so that none is judged by what it helped to find: into folds, and folds into halves.

An adapter's fold is a hash of its numbers there: neither its name nor its place among the others, nor who these are, is in it.
Copies have one fold, so that no adapter is judged by a copy of itself.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

FOLDS = 8
FEWEST = 8  # adapters of which a mean says anything

Halving = tuple[tuple[int, ...], tuple[int, ...]]  # folds of the one half, and of the other


class Dealt(NamedTuple):
    """A place's adapters, by number.

    Attributes:
        folds: Each one's fold.
        copies: How many have its numbers, itself among them.
    """

    folds: Sequence[int]
    copies: Sequence[int]

    @property
    def counts(self) -> list[int]:
        """How many each fold has."""
        return [list(self.folds).count(fold) for fold in range(FOLDS)]


def dealt(digests: Sequence[str], seed: int) -> Dealt:
    """Adapters dealt by hashes of their numbers.

    Example:
        >>> dealt(["3f", "a0", "3f"], seed=0)
        Dealt(folds=[7, 0, 7], copies=[2, 1, 2])
    """
    count = Counter(digests)
    return Dealt([fold_of(one, seed) for one in digests], [count[one] for one in digests])


def fold_of(digest: str, seed: int) -> int:
    """An adapter's fold: another seed deals anew.

    Args:
        digest: Of its numbers at the place.
        seed: Of the survey.

    Example:
        >>> [fold_of("3f", seed) for seed in range(4)]
        [7, 6, 6, 0]
    """
    found = hashlib.sha256(f"fold {seed} {digest}".encode()).digest()
    return int.from_bytes(found[:8], "big") % FOLDS


def _halved(mask: int) -> Halving:
    """By whether a fold's number has an odd number of the mask's bits: rows of a Hadamard matrix (McCarthy 1969)."""
    sides = [(fold & mask).bit_count() % 2 for fold in range(FOLDS)]
    one, other = (tuple(fold for fold in range(FOLDS) if sides[fold] == k) for k in (0, 1))
    return one, other


HALVINGS: tuple[Halving, ...] = tuple(
    map(_halved, range(1, FOLDS))
)  # any two folds apart in 4 of 7


def even_halvings(counts: Sequence[int]) -> tuple[Halving, ...]:
    """Those of which either half has a quarter of all adapters or more.

    Args:
        counts: How many adapters each fold has.

    Example:
        >>> len(even_halvings([1] * 8)), len(even_halvings([6, 1, 1, 0, 0, 0, 0, 0])), even_halvings([8] + [0] * 7)
        (7, 2, ())
    """
    least = sum(counts) / 4
    return tuple(
        halving
        for halving in HALVINGS
        if least and all(sum(counts[fold] for fold in half) >= least for half in halving)
    )


def enough(counts: Sequence[int]) -> bool:
    """Whether there are adapters for a mean: two at least beside any two folds, and some on either side of a halving.

    Args:
        counts: How many adapters each fold has.

    Example:
        >>> enough([1] * 8), enough([1] * 7 + [0]), enough([5, 5] + [0] * 6)
        (True, False, False)
    """
    total, largest = sum(counts), sorted(counts)[-2:]
    return total >= FEWEST and total - sum(largest) >= 2 and bool(even_halvings(counts))


def met(counts: Sequence[int], halvings: Sequence[Halving]) -> float:
    """How much larger the variance of a mean share may be than of independent ones; see `lora_lens.core.many_adapters.captured_by_chance`.

    Twice the largest part of the halvings in which two folds that have adapters are in different halves.

    Example:
        >>> met([1] * 8, HALVINGS[:1]), round(met([1] * 8, HALVINGS), 4)
        (2.0, 1.1429)
    """
    there = [fold for fold in range(FOLDS) if counts[fold]]
    apart = [
        sum((one in half) != (other in half) for half, _ in halvings)
        for k, one in enumerate(there)
        for other in there[k + 1 :]
    ]
    return 2 * max(apart, default=0) / len(halvings)
