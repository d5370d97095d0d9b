"""A described axis on matplotlib's: names that do not run into each other, ends, scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator

from .figure import Axis, Colour
from .style import colour, log_axis, words

_LEAST_POINTS = 5.0  # of a name that must be there, however many there are
_WIDTH = 0.62  # of a letter, in its size
_LINE = 1.25  # height of a line, in the size of its letters
_GAP = 0.6  # between two names beside each other, in the size of their letters
_ROOM = 0.85  # of a panel, when labels and titles have taken theirs


def lay(ax: Axes, described: Axis, which: Literal["x", "y"]) -> None:
    """Label, names or numbers, ends and scale of one axis."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if described.label:
        axis.set_label_text(words(described.label))
    if described.log and which == "y":
        log_axis(ax)
    if described.low is not None or described.high is not None:
        low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
        low = low if described.low is None else described.low
        high = high if described.high is None else described.high
        if which == "x":
            ax.set_xlim(low, high)
        else:
            ax.set_ylim(low, high)
    if described.names:
        name(ax, which, described.places, described.names)
    elif described.whole:
        axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))


def name(
    ax: Axes,
    which: Literal["x", "y"],
    places: Sequence[float],
    names: Sequence[str],
    shades: Sequence[Colour] = (),
) -> None:
    """Names at their places: numbers are thinned where they would collide, other names are turned and shrunk."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    size = FontProperties(size="small").get_size_in_points()
    if not any(names):
        axis.set_ticks([])
        return
    room = points(ax, which)
    low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
    apart = _apart(places, abs(high - low) or 1.0) * room
    numbers = all(_is_number(one) for one in names)
    rotation = 0.0
    kept = list(range(len(names)))
    if numbers:
        longest = _WIDTH * max(map(len, names)) + _GAP
        least = size * (longest if which == "x" else _LINE)
        kept = _thinned(places, least / room * abs(high - low))
    else:
        if which == "x" and _WIDTH * size * max(map(len, names)) > apart:
            rotation = 90.0
        if which == "y" or rotation:
            size = max(_LEAST_POINTS, min(size, apart / _LINE))
    axis.set_ticks([places[k] for k in kept], [words(names[k]) for k in kept])
    for position, label in zip(kept, axis.get_ticklabels(), strict=True):
        label.set_fontsize(size)
        label.set_rotation(rotation)
        if shades:
            label.set_color(colour(shades[position]))


def points(ax: Axes, which: Literal["x", "y"]) -> float:
    """About how long a panel's side will be, in points."""
    box = ax.get_window_extent()
    root = ax.get_figure(root=True)
    dpi = root.dpi if root is not None else 100.0
    return _ROOM * 72 * (box.width if which == "x" else box.height) / dpi


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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
