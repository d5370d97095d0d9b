"""Described figures → matplotlib. Computes nothing, saves nothing, touches no global state.

`draw` draws a panel on axes, the current ones by default; `sheet` makes a whole figure without pyplot,
or fills one, or a part of one, that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, overload

import matplotlib.pyplot as plt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator

from .drawn_axes import lay, most_numbers
from .drawn_cells import cells
from .figure import Band, Bars, Block, Level, Line, Mark, Panel, Scale, Sheet, Strokes
from .style import colour, colours, scale, words

_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "none": "none"}
_MARKERS = {
    "": "", "circle": "o", "square": "s", "up": "^", "diamond": "D", "cross": "x", "plus": "+",
    "dot": ".", "ring": "o", "bar": "_",
}  # fmt: skip
_LEGENDS: dict[str, dict[str, Any]] = {
    "inside": {"loc": "best"},
    "below": {"loc": "upper left", "bbox_to_anchor": (0, -0.22), "ncols": 2},
    "right": {"loc": "center left", "bbox_to_anchor": (1, 0.5)},
}
_SIZES = {"dot": 5.0, "ring": 9.0, "bar": 12.0}
_PALE = 0.25  # opacity of what chance gives
# Of many lines, where on the colour map the first is, and how far from it the last.
PALEST, SHADES = 0.15, 0.8


def draw(panel: Panel, ax: Axes | None = None, *, annotate: bool | None = None) -> Axes:
    """One panel on `ax`, or on the current axes, which it returns.

    Args:
        panel: From a question's ``figures``.
        ax: Where to draw.
        annotate: Write the numbers of a heat map in its cells; by default where they can be read.

    Example:
        >>> import numpy as np
        >>> from lora_lens.show.figure import Line, Panel
        >>> panel = Panel("norms", marks=(Line(np.arange(3.0), np.ones(3)),))
        >>> draw(panel, Figure().subplots()).get_title()
        'norms'
    """
    ax = plt.gca() if ax is None else ax
    if panel.heat is not None:
        cells(ax, panel, annotate=annotate)
    else:
        for mark in panel.marks:
            _MARKS[type(mark)](ax, mark)
        _frame(ax, panel)
    if panel.title:
        ax.set_title(words(panel.title), fontsize="medium")
    return ax


def _frame(ax: Axes, panel: Panel) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    if panel.bare:
        ax.spines["left"].set_visible(False)
        ax.set_yticks([])
    lay(ax, panel.x, "x")
    lay(ax, panel.y, "y")
    if panel.legend != "none":
        ax.legend(frameon=False, fontsize="small", **_LEGENDS[panel.legend])


def _line(ax: Axes, mark: Line) -> None:
    shade = colour(mark.colour) if mark.shade is None else line_shade(mark.shade)
    ax.plot(
        mark.x,
        mark.y,
        linestyle=_DASHES[mark.dash],
        linewidth=mark.width,
        color=shade,
        marker=_MARKERS[mark.marker],
        markersize=_SIZES.get(mark.marker, 5.0),
        markerfacecolor="none" if mark.marker == "ring" else shade,
        label=words(mark.label) or None,
        zorder=3,
    )


def _band(ax: Axes, mark: Band) -> None:
    ax.fill_between(
        mark.x, mark.low, mark.high, color=colour(mark.colour), alpha=_PALE, linewidth=0,
        label=words(mark.label) or None,
    )  # fmt: skip


def _bars(ax: Axes, mark: Bars) -> None:
    shade = colour(mark.colour)
    solid = mark.mean is None
    ax.bar(
        mark.x, mark.high - mark.low, mark.width, mark.low, color=shade,
        alpha=1.0 if solid else _PALE, linewidth=0, label=words(mark.label) or None,
    )  # fmt: skip
    if mark.mean is not None:
        half = mark.width / 2
        ax.hlines(mark.mean, mark.x - half, mark.x + half, color=shade, linewidth=1)


def _level(ax: Axes, mark: Level) -> None:
    across = ax.axvline if mark.upright else ax.axhline
    across(
        mark.at, color=colour(mark.colour), linestyle=_DASHES[mark.dash], linewidth=1, zorder=1,
        label=words(mark.label) or None,
    )  # fmt: skip


def _strokes(ax: Axes, mark: Strokes) -> None:
    width = 1.2 if len(mark.paths) <= 60 else 0.6
    ax.add_collection(
        LineCollection(
            list(mark.paths), colors=[colour(one) for one in mark.colours], linewidths=width
        )
    )


_MARKS: dict[type[Mark], Callable[[Axes, Any], None]] = {
    Line: _line, Band: _band, Bars: _bars, Level: _level, Strokes: _strokes,
}  # fmt: skip


@overload
def sheet(described: Sheet, figure: None = None) -> Figure: ...
@overload
def sheet(described: Sheet, figure: Figure | SubFigure | None) -> Figure | SubFigure: ...
def sheet(described: Sheet, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """A whole figure, or what fills `figure`, which it returns.

    Args:
        described: From a question's ``figures``.
        figure: A figure or a part of one; by default a new one of the described size.

    Example:
        >>> from lora_lens.show.figure import Block, Panel, Sheet
        >>> sheet(Sheet((Block([[Panel("empty")]]),), (3.0, 2.0))).get_size_inches().tolist()
        [3.0, 2.0]
    """
    figure = Figure(figsize=described.size, layout="constrained") if figure is None else figure
    with rc_context({} if described.font is None else {"font.size": described.font}):
        _fill(figure, described)
    return figure


def _fill(figure: Figure | SubFigure, described: Sheet) -> None:
    if len(described.blocks) == 1:
        panels = _block(figure, described.blocks[0])
    else:
        heights = [len(block.rows) + 0.2 for block in described.blocks]
        parts = figure.subfigures(len(described.blocks), 1, height_ratios=heights, squeeze=False)
        panels = [
            ax
            for part, block in zip(parts.flat, described.blocks, strict=True)
            for ax in _headed(part, block)
        ]
    if described.title:
        figure.suptitle(words(described.title), fontsize="large")
    if described.note and described.legend == "none":
        figure.supxlabel(words(described.note), fontsize="small", color="0.3", x=0.02, ha="left")
    if described.legend != "none":
        _legend(figure, described, panels)


def _headed(part: SubFigure, block: Block) -> list[Axes | None]:
    if block.title:
        part.suptitle(words(block.title), fontsize="medium", x=0.02, ha="left")
    return _block(part, block)


def _block(figure: Figure | SubFigure, block: Block) -> list[Axes | None]:
    """The panels of a block; None where a place is empty."""
    columns = max(map(len, block.rows))
    axes = figure.subplots(
        len(block.rows), columns, squeeze=False, sharey="row" if block.joined else False,
        width_ratios=block.widths or None,
    )  # fmt: skip
    drawn: list[Axes | None] = []
    for row, described in zip(axes, block.rows, strict=True):
        places: list[Panel | None] = [*described, *[None] * (columns - len(described))]
        for ax, panel in zip(row, places, strict=True):
            if panel is None:
                ax.set_axis_off()
            else:
                draw(panel, ax)
            drawn.append(None if panel is None else ax)
    if any(p is not None and p.heat is not None for row in block.rows for p in row):
        _outer(axes, block)
    for one in block.scales:
        _scale(figure, axes, one)
    return drawn


def _outer(axes: Any, block: Block) -> None:
    """Heat maps in rows and columns are labelled at the block's edges alone."""
    rows = len(axes)
    for r, described in enumerate(block.rows):
        for c, panel in enumerate(described):
            below = block.rows[r + 1] if r + 1 < rows else ()
            if panel is None or panel.heat is None:
                continue
            if c > 0 and (left := described[c - 1]) is not None and left.heat is not None:
                axes[r, c].set_ylabel("")
                if left.heat.rows == panel.heat.rows:
                    axes[r, c].tick_params(labelleft=False)
            if c < len(below) and (under := below[c]) is not None and under.heat is not None:
                axes[r, c].set_xlabel("")
                if under.heat.columns == panel.heat.columns:
                    axes[r, c].tick_params(labelbottom=False)


def _scale(figure: Figure | SubFigure, axes: Any, described: Scale) -> None:
    chosen = axes[:, list(described.of)] if described.of else axes
    shown = [ax for ax in chosen.ravel() if ax.axison]
    if described.lines:
        made = scale(*_stretched(described.low, described.high))
    else:
        made = scale(described.low, described.high, described.ramp)
    place = {"location": "bottom", "shrink": 0.9} if described.of else {"shrink": 0.7}
    bar = figure.colorbar(made, ax=shown, pad=0.02, aspect=25, **place)
    bar.set_label(words(described.label), fontsize="small")
    bar.ax.tick_params(labelsize="small")
    if described.lines:
        bar.ax.set_ylim(described.low, max(described.high, described.low + 1))
        bar.ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    else:
        which: Literal["x", "y"] = "x" if described.of else "y"
        axis = bar.ax.xaxis if described.of else bar.ax.yaxis
        axis.set_major_locator(MaxNLocator(most_numbers(bar.ax, which)))
        bar.outline.set_visible(False)
    for mark in described.marks:
        across = bar.ax.axvline if described.of else bar.ax.axhline
        across(mark, color=colour("red"), lw=1.5)


def _stretched(low: float, high: float) -> tuple[float, float]:
    """Ends of the whole colour map, where `low` to `high` is the part that lines take."""
    span = max(1.0, high - low)
    return low - PALEST / SHADES * span, low + (1 - PALEST) / SHADES * span


def line_shade(position: float) -> tuple[float, float, float, float]:
    """Colour of one of many lines, by its place from 0 to 1."""
    return colours()(PALEST + SHADES * position)


def _legend(figure: Figure | SubFigure, described: Sheet, panels: Sequence[Axes | None]) -> None:
    handles, labels = _labels(ax for ax in panels if ax is not None and ax.get_legend() is None)
    if not labels:
        return
    size = FontProperties(size="small").get_size_in_points()
    longest = 0.6 * size * max(map(len, labels)) + 3.5 * size
    columns = max(1, min(len(labels), int(72 * described.size[0] / longest)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False,
        fontsize="small", title=words(described.note) or None, title_fontsize="small",
    )  # fmt: skip


def _labels(axes: Iterator[Axes]) -> tuple[list[Any], list[str]]:
    """Each label once, in the order in which they are met."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
