"""A described axis on matplotlib's: names that do not run into each other, ends, scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator
from matplotlib.transforms import Bbox

from ..figure import Axis, Colour, in_order
from ..paper import LEAST_POINTS, letter_size
from ..style import colour, words
from .log import log_axis

_WIDTH = 0.62  # of a letter, in its size
_LINE = 1.18  # height of a line, in the size of its letters
_GAP = 0.6  # between two names beside each other, in the size of their letters
_MOST_NUMBERS = 8
ROOM = 0.85  # of a panel, when labels and titles have taken theirs


def lay(ax: Axes, described: Axis, which: Literal["x", "y"]) -> None:
    """Label, names or numbers, ends and scale of one axis."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if described.label:
        axis.set_label_text(words(described.label))
        upright(axis, described.label)
    if described.log:
        log_axis(ax, which)
    if described.low is not None or described.high is not None:
        if None in (described.low, described.high):
            # One end is given and the other is all panels' that share the axis, not the first one's.
            ax.autoscale(enable=True, axis=which)
        low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
        low = low if described.low is None else described.low
        high = high if described.high is None else described.high
        if which == "x":
            ax.set_xlim(low, high)
        else:
            ax.set_ylim(low, high)
    if described.names:
        name(ax, which, described.places, described.names, unnamed=described.unnamed)
    elif not described.log and len(axis.get_major_locator()()):  # a tree's has none on one side
        axis.set_major_locator(
            Numbers(letter_size(f"{which}tick.labelsize"), whole=described.whole)
        )


def upright(axis: Any, label: str) -> None:
    """One letter beside an axis stands as it is read: turned, i is a dot and a dash."""
    if len(label) == 1 and axis.axis_name == "y":
        axis.label.set(rotation=0, ha="right", va="center")


def name(
    ax: Axes,
    which: Literal["x", "y"],
    places: Sequence[float],
    names: Sequence[str],
    shades: Sequence[Colour] = (),
    unnamed: str = "",
    *,
    alike: bool = False,
) -> None:
    """Names at their places: numbers are thinned where they would collide, other names are turned and shrunk.

    Where those would be too small to be read none is there; `unnamed` is the axis's label then. `alike`:
    the other axis has the same numbers, and both are thinned as the one that has less room for them.
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    size = FontProperties(size="small").get_size_in_points()
    if not any(names):
        axis.set_ticks([])
    elif in_order(names):
        axis.set_major_locator(Places(places, names, size, alike=alike))
        axis.set_major_formatter(FuncFormatter(_Names(places, names)))
        axis.set_tick_params(labelsize=size)
    else:
        _all_of_them(ax, which, places, names, shades, unnamed)


def _all_of_them(
    ax: Axes,
    which: Literal["x", "y"],
    places: Sequence[float],
    names: Sequence[str],
    shades: Sequence[Colour],
    unnamed: str,
) -> None:
    size = FontProperties(size="small").get_size_in_points()
    low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
    apart = _apart(places, abs(high - low) or 1.0) * points(ax, which)
    lines = [line for one in names for line in one.split("\n")]
    turned = which == "x" and _WIDTH * size * max(map(len, lines)) > apart
    axis = ax.xaxis if which == "x" else ax.yaxis
    if which == "y" or turned:
        size = min(size, apart / (_LINE * max(1 + one.count("\n") for one in names)))
    if size < LEAST_POINTS:
        axis.set_ticks([])
        if unnamed:
            axis.set_label_text(unnamed)
        return
    axis.set_ticks(list(places), list(map(words, names)))
    for position, label in enumerate(axis.get_ticklabels()):
        label.set_fontsize(size)
        label.set_rotation(90.0 if turned else 0.0)
        if shades:
            label.set_color(colour(shades[position]))


class Places(Locator):
    """Places of numbers, as many as do not run into each other at the size the axis has when it is drawn."""

    def __init__(
        self, places: Sequence[float], names: Sequence[str], size: float, *, alike: bool = False
    ) -> None:
        self._places = list(places)
        self._alike = alike
        self._along = size * (_WIDTH * max(map(len, names)) + _GAP)
        self._across = size * _LINE

    def __call__(self) -> list[float]:
        """Evenly spaced where all are; the last one always where they are not."""
        ax = self.axis.axes  # type: ignore[union-attr]
        axes = [ax.xaxis, ax.yaxis] if self._alike else [self.axis]
        least = max(map(self._least, axes))
        return [self._places[k] for k in _thinned(self._places, least)]

    def _least(self, axis: Any) -> float:
        """How far apart two names on an axis must be, in its own units."""
        room, across = _room(axis)
        low, high = axis.get_view_interval()
        return float((self._along if across else self._across) / max(room, 1) * abs(high - low))

    def tick_values(self, vmin: float, vmax: float) -> list[float]:  # noqa: ARG002
        """The same: the places are given."""
        return self()


class _Names:
    """The name at a place."""

    def __init__(self, places: Sequence[float], names: Sequence[str]) -> None:
        self._known = dict(zip(places, names, strict=True))

    def __call__(self, place: float, _: int | None = None) -> str:
        nearest = min(self._known, key=lambda one: abs(one - place))
        return words(self._known[nearest])


def points(ax: Axes, which: Literal["x", "y"], share: float = ROOM) -> float:
    """How long a panel's side is, in points, if it keeps a share of what it has now."""
    box = ax.get_window_extent()
    return share * 72 * (box.width if which == "x" else box.height) / _dots(ax)


def _dots(ax: Axes) -> float:
    """Of an inch."""
    root = ax.get_figure(root=True)
    return root.dpi if root is not None else 100.0


class Numbers(MaxNLocator):
    """Round numbers, as many as do not run into each other at the size the axis has when it is drawn.

    Args:
        size: Of the letters.
        whole: No fractions.
        ends: Where fewer than two fit, the two ends instead: one number alone is no scale.
    """

    def __init__(self, size: float, *, whole: bool = False, ends: bool = False) -> None:
        super().__init__(_MOST_NUMBERS, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=1)
        self._size = size
        self._ends = ends

    def __call__(self) -> Any:
        """The numbers at the size that the axis has."""
        room, across = _room(self.axis)
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        for count in range(_MOST_NUMBERS, 0, -1):
            self.set_params(nbins=count)
            found = super().__call__()
            inside = [one for one in found if low <= one <= high]
            longest = max((len(f"{one:.6g}") for one in inside), default=1)
            each = self._size * (_WIDTH * longest + 2 * _GAP if across else 1.6 * _LINE)
            if len(inside) < 2 or (inside[1] - inside[0]) / (high - low or 1) * room >= each:
                break
        return [low, high] if self._ends and len(inside) < 2 else found


def _room(axis: Any) -> tuple[float, bool]:
    """Length of an axis in points, and whether it lies across."""
    ax = axis.axes
    across = axis is ax.xaxis
    box = ax.transAxes.transform_bbox(Bbox.unit())
    return 72 * (box.width if across else box.height) / _dots(ax), across


def _apart(places: Sequence[float], span: float) -> float:
    """The least distance of two neighbours, as a share of the axis."""
    ordered = sorted(places)
    gaps = [b - a for a, b in pairwise(ordered)]
    return min(gaps, default=span) / span


def _thinned(places: Sequence[float], least: float) -> list[int]:
    """Which places are `least` apart: evenly spaced where the places are; the last one always."""
    gaps = {round(b - a, 9) for a, b in pairwise(places)}
    if len(gaps) == 1 and min(gaps) > 0:
        step = max(1, math.ceil(least / min(gaps) - 1e-9))
        return list(range(0, len(places), step))
    kept = [len(places) - 1]
    for k in range(len(places) - 2, -1, -1):
        if abs(places[kept[-1]] - places[k]) >= least:
            kept.append(k)
    return kept[::-1]
