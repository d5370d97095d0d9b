"""Numbers on a logarithmic axis: norms of one model span a decade or two, or less than one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, Locator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox

from ..paper import letter_size


def log_axis(ax: Axes, which: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis numbered 0.5, 1, 2, …, or by powers of ten, as its span and its length ask for."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = axis.get_minpos(), max(axis.get_data_interval())
    drawn = low <= high < math.inf
    if drawn and not 1 / _FAR < low <= high < _FAR:  # margins would leave float64's range
        ax.autoscale(enable=False, axis=which)
        (ax.set_xlim if which == "x" else ax.set_ylim)(low, high)
    if axis.get_scale() != "log":  # setting it again would take the numbers of axes that share it
        (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis.set_major_locator(Decades(letter_size(f"{which}tick.labelsize")))
    axis.set_major_formatter(Alike())
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


class Decades(Locator):
    """Numbers on a logarithmic axis: as many as fit at the size that the axis has when it is drawn."""

    def __init__(self, size: float) -> None:
        self._size = size

    def __call__(self) -> list[float]:
        """The numbers."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Usual numbers that do not run into each other, closer ones where there would be hardly any."""
        low, high = sorted((vmin, vmax))
        if low <= 0:  # as it is where nothing is drawn
            return []
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        found: list[float] = []
        if high < _NARROW * low:
            for count in (5, 4, 3, 2):
                linear = MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(low, high)
                found = [float(one) for one in linear if low <= one <= high]
                if len(found) > 1 and self._apart(found, low, high):
                    return found
        for k, (every, subs) in enumerate(_LOG_STEPS):
            powers = range(first - first % every, min(last, _HIGHEST) + 1, every)
            found = [10.0**power * sub for power in powers for sub in subs]
            found = [one for one in found if low * (1 - 1e-9) <= one <= high * (1 + 1e-9)]
            few = k == 0 and len(found) < _FEW
            if not few and len(found) <= _MOST_NUMBERS and self._apart(found, low, high):
                return found
        return found[:1]

    def _apart(self, numbers: list[float], low: float, high: float) -> bool:
        names = named_alike(numbers)
        ax = self.axis.axes  # type: ignore[union-attr]
        across = self.axis is ax.xaxis
        box = ax.transAxes.transform_bbox(Bbox.unit())
        dots = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        room = 72 * (box.width if across else box.height) / dots
        span = math.log(high / low) or 1.0
        for (one, other), both in zip(pairwise(numbers), pairwise(names), strict=True):
            longest = max(map(len, both))
            takes = self._size * (0.62 * longest + 0.6 if across else 1.4)
            if math.log(other / one) / span * room < takes:
                return False
        return True


_FAR = 1e250
_HIGHEST = 308  # power of ten that float64 has
_MOST_NUMBERS, _FEW = 7, 3
_NARROW = 4.0  # from the lowest to the highest; below it numbers are a step apart
_LOG_STEPS = (
    (1, (1, 2, 5)), (1, (1, 1.5, 2, 3, 5, 7)), (1, (1, 2, 5)), (1, (1, 3)), (1, (1,)), (2, (1,)), (3, (1,)),
    (4, (1,)), (8, (1,)),
)  # fmt: skip
_LEAST_PLAIN, _MOST_PLAIN = 1e-4 * (1 - 1e-9), 1e4
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Alike(Formatter):
    """Numbers of a logarithmic axis, all of them written in one way."""

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Those that are marked."""
        return named_alike(values)

    def __call__(self, value: float, _: int | None = None) -> str:
        """One alone, as below a pointer."""
        return named_alike([value])[0]


def named_alike(numbers: Sequence[float]) -> list[str]:
    """Plain where all are short, else powers of ten.

    Example:
        >>> named_alike([0.01, 0.1, 1.0]), named_alike([5e-5, 1e-4]), named_alike([5e-4, 1e-3])
        (['0.01', '0.1', '1'], ['5·10⁻⁵', '10⁻⁴'], ['0.0005', '0.001'])
    """
    plain = all(_LEAST_PLAIN <= one < _MOST_PLAIN for one in numbers if one > 0)
    return [f"{one:g}" if plain or one <= 0 else _power(one) for one in numbers]


def _power(value: float) -> str:
    """A number above zero as a power of ten."""
    power = math.floor(math.log10(value) + 1e-9)
    times = value / 10.0**power
    return f"{'' if abs(times - 1) < 1e-6 else f'{times:g}·'}10{str(power).translate(_RAISED)}"
