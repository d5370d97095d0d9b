"""A number against what a null gives: z, Monte-Carlo p and excess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from ..labelled import Array, Brief, Row, plain
from .p_values import excess, monte_carlo_p, standardised, two_sided_p

Number = TypeVar("Number", float, Array)


@dataclass(frozen=True, repr=False, eq=False)
class NullTest(Generic[Number], Brief):
    """A number (or a series of them) against a null; NaN where there is nothing to say it from.

    Attributes:
        mean: Expected under the null.
        sd: Standard deviation under the null.
        z: (value − mean)/sd; NaN where the null does not vary.
        p: Upper-tail Monte-Carlo p-value (b+1)/(n+1), b of n null values being at least the value
            (Phipson and Smyth 2010): never 0, and not corrected for the number of tests.
        excess: (value − mean)/(1 − mean): 0 at the null's mean, 1 at the value 1.
        p_two_sided: The same of the distance from the null's middle, on either side: what a verdict of
            more or less is made from (``lora_lens.chance.verdict``).
    """

    mean: Number
    sd: Number
    z: Number
    p: Number
    excess: Number
    p_two_sided: Number

    @classmethod
    def nothing(cls, layers: int | None = None) -> NullTest[Any]:
        """That of a number, or of a series of so many, of which there is nothing to say."""
        nan = float("nan") if layers is None else np.full(layers, np.nan)
        return NullTest(mean=nan, sd=nan, z=nan, p=nan, excess=nan, p_two_sided=nan)

    def to_dict(self) -> Row:
        """For JSON."""
        return {name: plain(value) for name, value in vars(self).items()}


def null_test(
    value: Array,
    drawn: Array | None,
    *,
    mean: float | None = None,
    sd: float | None = None,
) -> NullTest[Any]:
    """Test the value against a null.

    Args:
        value: A number (of no axis), or a series.
        drawn: (draw, …) the same under the null; None where nothing is drawn.
        mean, sd: Of the null in closed form; where not given, those of the draws.

    Example:
        >>> found = null_test(np.array(0.5), np.array([0.1, 0.2, 0.3]))
        >>> round(found.z, 6), found.p, round(found.excess, 6)
        (3.0, 0.25, 0.375)
    """
    centre = spread = p = both = np.full(value.shape, np.nan)
    if drawn is not None:
        centre, spread = drawn.mean(0), drawn.std(0, ddof=1)
        p, both = (
            np.where(np.isfinite(value), found, np.nan)
            for found in (test(value, drawn, sd=spread) for test in (monte_carlo_p, two_sided_p))
        )
    centre = centre if mean is None else np.full(value.shape, mean)
    spread = spread if sd is None else np.full(value.shape, sd)
    z = standardised(value, centre, spread)
    return NullTest(*map(_number, (centre, spread, z, p, excess(value, centre), both)))


def _number(values: Array) -> float | Array:
    return values if np.ndim(values) else float(values)
