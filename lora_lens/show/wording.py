"""What the sentences share: what counts as one, and how they enumerate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..chance.p_values import RESOLUTION
from ..labelled import Array

ONE = 1 - 1e-5  # what is above it is 1 but for rounding
# Measured on MiniLM's value, W0·θ against W0·θ' with independent Gaussian θ: φ is .058 where unrelated
# subspaces and shuffled layers give .021, in every pair.
ENOUGH = "it is enough that both lie along the same W0's leading singular directions"
ALONG_W0 = f"for this {ENOUGH}"
APART_ON_W0 = (
    "to be less alike it is enough that they lie along different singular directions of the same W0"
)


def same_phi(one: Array, other: Array) -> bool:
    """Whether two series of φ, or grids of it, are the same numbers, in float32's resolution.

    Example:
        >>> phi = np.array([0.25, 0.5])
        >>> same_phi(phi, phi + 1e-7), same_phi(phi, phi + 1e-5)
        (True, False)
    """
    return np.allclose(one, other, rtol=0, atol=RESOLUTION)


def ridge_words(ridge: float) -> str:
    """What a title says of a ridge; nothing where there is none.

    Example:
        >>> ridge_words(0.5), ridge_words(0.0)
        (', ridge 0.5', '')
    """
    return f", ridge {ridge:g}" if ridge else ""


def listed(names: Sequence[str]) -> str:
    """``A, B and BA``; nothing of none."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def few(names: Iterable[str], most: int) -> str:
    """``a, b and 7 more``.

    Example:
        >>> few("abc", 3), few("abcd", 2), few("", 2)
        ('a, b and c', 'a, b and 2 more', '')
    """
    every = list(names)
    more = [f"{len(every) - most} more"] if len(every) > most else []
    return listed([*every[:most], *more])


def red_on_scale(chance: Sequence[float]) -> str:
    """What the red lines on a figure's colour scale are; nothing where there are none.

    Example:
        >>> red_on_scale([1 / 48, 1 / 24]), red_on_scale([])
        ('Red on the scale: unrelated subspaces, 0.021 and 0.042.', '')
    """
    values = list(dict.fromkeys(f"{one:.3f}" for one in chance))
    return f"Red on the scale: unrelated subspaces, {listed(values)}." if values else ""


def span(low: str, high: str) -> str:
    """``3 to 8``: two ends as they are written, once where they read alike.

    Example:
        >>> span("3", "8"), span("0.50", "0.50")
        ('3 to 8', '0.50')
    """
    return low if low == high else f"{low} to {high}"


def each(said: Sequence[str]) -> str:
    """What is said of each of several, in their order; once where it is the same of all.

    Example:
        >>> each(["0.02", "0.02"]), each(["0.02", "0.03", "0.02"])
        ('0.02', '0.02, 0.03 and 0.02')
    """
    return said[0] if len(set(said)) == 1 else listed(said)
