"""Where the renderer puts what is in a figure: how large words are, what runs into what, what is out of sight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

_SLACK = (
    1.0  # of a pixel of 72 to the inch: boxes have the height of letters that hang below the line
)


@dataclass(frozen=True)
class Words:
    """One piece of text as it is drawn, in points from the figure's lower left corner."""

    text: str
    size: float
    x0: float
    y0: float
    x1: float
    y1: float


def words_of(figure: Figure) -> list[Words]:
    """Every text that is drawn, whatever it is a part of."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    ticks, shown = _ticks(figure)
    found = []
    for text in figure.findobj(Text):
        hidden = not text.get_visible() or (id(text) in ticks and id(text) not in shown)
        if hidden or not text.get_text().strip():
            continue
        box = text.get_window_extent()
        found.append(
            Words(text.get_text(), text.get_fontsize(), *(float(v) * scale for v in box.extents))
        )
    return found


def _ticks(figure: Figure) -> tuple[set[int], set[int]]:
    """Labels of all ticks that there are, and of those that are drawn."""
    every: set[int] = set()
    shown: set[int] = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for tick in (*axis.majorTicks, *axis.minorTicks):
                every |= {id(tick.label1), id(tick.label2)}
            every |= {id(axis.offsetText)}
            if not ax.axison:
                every |= {id(text) for text in (axis.label, ax.title)}
            shown |= set(map(id, _labels(axis)))
    return every, shown


def _labels(axis: Axis) -> list[Text]:
    """The labels of the ticks that are in sight."""
    if not axis.axes.axison:
        return []
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return [
        label
        for tick in axis.get_major_ticks(len(axis.get_majorticklocs()))
        if low - slack <= tick.get_loc() <= high + slack
        for label in (tick.label1, tick.label2)
        if label.get_visible()
    ]


def collisions(found: list[Words]) -> list[tuple[str, str]]:
    """Pairs of texts that run into each other."""
    boxes = np.array([(w.x0, w.y0, w.x1, w.y1) for w in found])
    x0, y0, x1, y1 = boxes.T
    across = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
    down = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    pairs = np.argwhere(np.triu((across > _SLACK) & (down > _SLACK), 1))
    return [(found[i].text, found[j].text) for i, j in pairs]


def out_of_sight(figure: Figure) -> list[str]:
    """Lines with points beyond the ends of their axes, and colour scales of fewer than two numbers, once `words_of` has drawn it."""
    found = []
    for ax in figure.axes:
        low, high = np.sort([ax.get_xlim(), ax.get_ylim()]).T
        slack = 1e-6 * (high - low)
        for line in ax.lines:
            if line.get_transform() != ax.transData:
                continue  # across the whole of an axis
            points = np.asarray(line.get_xydata(), dtype=float)
            points = points[np.isfinite(points).all(axis=1)]
            if ((points < low - slack) | (points > high + slack)).any():
                found.append(f"{ax.get_title()} {ax.get_ylabel()}: {line.get_label()}")
        if ax.get_label() == "<colorbar>":
            axis = (
                ax.xaxis
                if ax.get_window_extent().width > ax.get_window_extent().height
                else ax.yaxis
            )
            if len(_labels(axis)) < 2:
                found.append(f"scale of {ax.get_ylabel() or ax.get_xlabel()}")
    return found


def cut(found: list[Words], figure: Figure) -> list[str]:
    """Texts that the figure's edge cuts."""
    width, height = (72 * side for side in figure.get_size_inches())
    return [
        w.text
        for w in found
        if w.x0 < -_SLACK or w.y0 < -_SLACK or w.x1 > width + _SLACK or w.y1 > height + _SLACK
    ]
