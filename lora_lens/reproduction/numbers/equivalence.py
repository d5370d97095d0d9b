"""Whether two methods are equivalent within a margin: intervals over rows and seeds, and TOST.

A mean difference D of S seeds, scored on one set of test rows, errs in two ways: other test rows would
have given another D (standard error e_r, by the bootstrap), and so would other seeds (standard error
e_s = s/√S, s the deviation of the S differences). The interval at confidence 1 − 2α is

    D ± √((z₁₋α e_r)² + (t₁₋α,S₋₁ e_s)²),

the normal and the t interval combined by the root of the sum of squares (Howe 1974). Without spread over
seeds it is the rows' own interval, without error of the rows Student's over seeds. It is never too short:
in simulations it held D's expectation in 90 to 96 of 100 cases at 90 %, where Welch and
Satterthwaite's degrees of freedom gave 84 with two seeds. s holds some of the rows' error again, which
makes it a little too wide.

The test of equivalence is TOST (Schuirmann 1987): two methods are equivalent within m if the 1 − 2α
interval lies within −m to m, and its p is the smallest such α.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit  # what scipy.stats asks, at a thousandth of its time

from .power import power_when_equal

LEVEL = 0.05
POWER = 0.8
_LEAST_ALPHA = 1e-12


@dataclass(frozen=True)
class Difference:
    """One method's score less another's, over seeds and on one set of test rows.

    Attributes:
        one, other: The methods.
        seeds: Their seeds.
        each: The difference of every seed.
        rows: Number of test rows.
        covariance: Of `each` when the rows are drawn anew, (seed, seed).
        rows_interval: Of the mean, 95 %, rows drawn anew and seeds as they are.
    """

    one: str
    other: str
    seeds: tuple[int, ...]
    each: tuple[float, ...]
    rows: int
    covariance: NDArray[np.float64]
    rows_interval: tuple[float, float]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.each))

    @property
    def rows_error(self) -> float:
        """Standard error of the mean, by the rows."""
        return math.sqrt(max(0.0, float(self.covariance.mean())))

    @property
    def seeds_deviation(self) -> float:
        """Standard deviation of the seeds' differences (n − 1); NaN for one seed."""
        return float(np.std(self.each, ddof=1)) if len(self.each) > 1 else math.nan

    @property
    def seeds_error(self) -> float:
        """Standard error of the mean, by the seeds; NaN for one seed."""
        return self.seeds_deviation / math.sqrt(len(self.each))

    @property
    def interaction(self) -> float:
        """The part of the rows' variance of one seed's difference that another seed's does not share."""
        size = len(self.each)
        if size == 1:
            return 0.0
        own = float(np.trace(self.covariance)) / size
        shared = float(self.covariance.sum() - np.trace(self.covariance)) / (size * (size - 1))
        return max(0.0, own - shared)

    @property
    def seeds_component(self) -> float:
        """Standard deviation that seeds alone make, the rows' part taken off; NaN for one seed."""
        return math.sqrt(max(0.0, self.seeds_deviation**2 - self.interaction))


@dataclass(frozen=True)
class Errors:
    """The two standard errors of a mean difference, and over how many seeds the second was found."""

    rows: float
    seeds: float
    count: int

    def half_width(self, alpha: float) -> float:
        """Of the interval with confidence 1 − 2α; infinite for one seed."""
        by_rows = -float(ndtri(alpha)) * self.rows
        if self.count < 2:
            return math.inf
        by_seeds = -float(stdtrit(self.count - 1, alpha)) * self.seeds
        return math.hypot(by_rows, by_seeds)


def errors_of(difference: Difference) -> Errors:
    """As they were found."""
    return Errors(difference.rows_error, difference.seeds_error, len(difference.each))


def rows_only(difference: Difference) -> Errors:
    """As if these adapters were all that there is to know of: no error by seeds."""
    return Errors(difference.rows_error, 0.0, 2)


def interval(mean: float, errors: Errors, confidence: float = 0.95) -> tuple[float, float]:
    """Where the expected difference lies; NaN where one seed says nothing about seeds."""
    width = errors.half_width((1 - confidence) / 2)
    return (mean - width, mean + width) if math.isfinite(width) else (math.nan, math.nan)


def tost(mean: float, errors: Errors, margin: float) -> float:
    """p of the test that |difference| is `margin` or more; NaN for one seed.

    The smallest α at which the interval with confidence 1 − 2α lies within −`margin` to `margin`.
    Without error by the seeds it is ``1 − Φ((margin − |mean|)/e_r)``, and without error by the rows
    Student's.

    Example:
        >>> round(tost(0.002, Errors(rows=0.004, seeds=0.0, count=2), 0.01), 4)
        0.0228
    """
    room = margin - abs(mean)
    if errors.count < 2:
        return math.nan
    if errors.rows == errors.seeds == 0:
        return 0.0 if room > 0 else 1.0
    # Beyond the margin the same interval, turned round.
    return _alpha_of(errors, room) if room > 0 else 1 - _alpha_of(errors, -room)


def p_of_none(mean: float, errors: Errors) -> float:
    """Two-sided p that there is no difference: the smallest level at which the interval does not hold 0; NaN for one seed.

    Example:
        >>> round(p_of_none(1.96, Errors(rows=1.0, seeds=0.0, count=2)), 3)
        0.05
    """
    if errors.count < 2:
        return math.nan
    if errors.rows == errors.seeds == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * _alpha_of(errors, abs(mean))


def _alpha_of(errors: Errors, width: float) -> float:
    """The α at which the interval has that half-width."""
    if width == 0:
        return 0.5
    if errors.half_width(_LEAST_ALPHA) < width:
        return _LEAST_ALPHA
    return float(brentq(lambda alpha: errors.half_width(alpha) - width, _LEAST_ALPHA, 0.5))


def decides(errors: Errors, margin: float) -> float:
    """Probability that TOST at 5 % finds two equal methods equivalent within `margin`; see `power_when_equal`. 0 for one seed."""
    if errors.count < 2:
        return 0.0
    return power_when_equal(
        margin, rows=errors.rows, seeds=errors.seeds, count=errors.count, level=LEVEL
    )


def smallest_margin(errors: Errors) -> float:
    """The margin within which two equal methods are found equivalent in 80 of 100 cases.

    Known from the errors alone, whatever the difference: it is what these rows and seeds can decide, were
    the true errors `errors`. That the test has but an estimate of the seeds' error, with S − 1 degrees of
    freedom, is reckoned with. That `errors` holds such an estimate is not: from few seeds the margin is as rough as it,
    and the very seeds that it is reckoned from decide it in 77 of 100 cases (two or three, no error by the
    rows). Where the seeds' deviation is in part the rows' own error, that part counts twice, as in the
    interval, and the margin is a little too wide. Infinite for one seed.

    Example:
        >>> round(smallest_margin(Errors(rows=0.004, seeds=0.0, count=2)) / 0.004, 3)  # z.95 + z.90
        2.926
        >>> [round(smallest_margin(Errors(rows=0.0, seeds=1.0, count=count)), 2) for count in (2, 3, 30)]
        [8.93, 4.61, 3.0]
    """
    if errors.count < 2:
        return math.inf
    if errors.seeds == 0:
        return errors.half_width(LEVEL) + float(ndtri((1 + POWER) / 2)) * errors.rows
    unit = math.hypot(errors.rows, errors.seeds)
    scaled = Errors(errors.rows / unit, errors.seeds / unit, errors.count)
    most = 4.0
    while decides(scaled, most) < POWER:
        most *= 2
    found = brentq(lambda margin: decides(scaled, margin) - POWER, 0.0, most)
    return unit * float(found)
