"""A described figure's panels on matplotlib's figure: rows, colour scales, legends, headings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator

from ..figure import Block, Panel, Scale, Sheet
from ..paper import letter_size
from ..style import colour, line_scale, scale, words
from .arranged import legend_columns
from .axes import Numbers
from .marks import stroke

Draw = Callable[[Panel, Axes], object]
_MOST_BROAD = 0.4  # inches, of a colour scale
_STRIP = 0.001  # height of a legend's own axes beside a panel's: what they hold makes its own room


class Drawn(NamedTuple):
    """A panel, and the axes that it is drawn on."""

    panel: Panel
    ax: Axes
    block: int
    row: int


def fill(figure: Figure | SubFigure, described: Sheet, draw: Draw) -> list[Drawn]:
    """Draw all panels of a sheet, its scales, titles and legends; `draw` draws one panel."""
    blocks = described.blocks
    if len(blocks) == 1:
        drawn = _block(figure, blocks[0], 0, draw)
    else:
        heights = [len(block.rows) + 0.2 for block in blocks]
        parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)
        drawn = []
        for k, (part, block) in enumerate(zip(parts.flat, blocks, strict=True)):
            if block.title:
                part.suptitle(words(block.title), fontsize="medium", x=0.02, ha="left")
            drawn += _block(part, block, k, draw)
    if described.title:
        size = "large" if described.font is None else "medium"
        figure.suptitle(words(described.title), fontsize=size)
    if described.note and described.legend == "none":
        figure.supxlabel(words(described.note), fontsize="small", alpha=0.7, x=0.02, ha="left")
    if described.legend != "none":
        _legend(figure, described, [one.ax for one in drawn if one.panel.legend == "none"])
    return drawn


def _block(figure: Figure | SubFigure, block: Block, number: int, draw: Draw) -> list[Drawn]:
    strips = [any(one is not None and one.legend == "row" for one in row) for row in block.rows]
    heights = [part for strip in strips for part in ([1.0, _STRIP] if strip else [1.0])]
    grid = figure.add_gridspec(
        len(heights), block.columns, height_ratios=heights, width_ratios=block.widths or None
    )
    lines = np.cumsum([0, *(2 if strip else 1 for strip in strips)])[:-1]
    axes = np.empty((len(block.rows), block.columns), dtype=object)
    drawn = []
    for r, row in enumerate(block.rows):
        places: list[Panel | None] = [*row, *[None] * (block.columns - len(row))]
        for c, panel in enumerate(places):
            beside = axes[r, 0] if block.joined and c else None
            ax = axes[r, c] = figure.add_subplot(grid[lines[r], c], sharey=beside)
            if panel is None:
                ax.set_axis_off()
                continue
            draw(panel, ax)
            drawn.append(Drawn(panel, ax, number, r))
    if block.joined:
        _joined(axes, block)
    if any(one.panel.heat is not None for one in drawn):
        _outer(axes, block)
    for one in block.scales:
        _scale(figure, axes, one)
    for r, strip in enumerate(strips):
        if strip:
            _strip(figure, grid[lines[r] + 1, :], [one.ax for one in drawn if one.row == r])
    return drawn


def _joined(axes: Any, block: Block) -> None:
    """Panels that share an axis are named at the left of their row, and explained at its right."""
    for r, row in enumerate(block.rows):
        last = max((c for c, one in enumerate(row) if one is not None), default=0)
        for c in range(len(row)):
            if c:
                axes[r, c].set_ylabel("")
                axes[r, c].tick_params(labelleft=False)
            if c < last and (legend := axes[r, c].get_legend()) is not None:
                legend.remove()


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
    if described.at:
        chosen = [axes[place] for place in described.at]
    else:
        chosen = list((axes[:, list(described.of)] if described.of else axes).ravel())
    shown = [ax for ax in chosen if ax.axison]
    if described.lines:
        made = line_scale(described.low, described.high)
    else:
        made = scale(described.low, described.high, described.ramp)
    place = {"location": "bottom", "shrink": 0.9} if described.lies else {"shrink": 0.7}
    aspect = 25.0 if described.lies else _slenderness(figure, axes, described)
    bar = figure.colorbar(made, ax=shown, pad=0.02, aspect=aspect, **place)
    bar.set_label(words(described.label), fontsize="small")
    if len(described.label) == 1 and not described.lies:
        bar.ax.yaxis.label.set(rotation=0, ha="left", va="center")
    bar.ax.tick_params(labelsize="small")
    if described.lines:
        bar.ax.set_ylim(described.low, max(described.high, described.low + 1))
        bar.ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    else:
        axis = bar.ax.xaxis if described.lies else bar.ax.yaxis
        size = FontProperties(size="small").get_size_in_points()
        axis.set_major_locator(Numbers(size, ends=True))
        bar.outline.set_visible(False)
    for mark in described.marks:
        across = bar.ax.axvline if described.lies else bar.ax.axhline
        across(mark, color=colour("red"), lw=stroke(1.5))


def _slenderness(figure: Figure | SubFigure, axes: Any, described: Scale) -> float:
    """Of a bar that stands: 25, but more of a long one, which would be as broad as a panel."""
    rows = len({row for row, _ in described.at} or axes)
    return max(25.0, figure.bbox.height / figure.dpi * rows / len(axes) / _MOST_BROAD)


def _legend(figure: Figure | SubFigure, described: Sheet, panels: Sequence[Axes]) -> None:
    handles, labels = _labels(iter(panels))
    if not labels:
        return
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False, fontsize="small",
        ncols=legend_columns(set(labels), described.size[0], letter_size("font.size")),
        title=words(described.note) or None, title_fontsize="small",
    )  # fmt: skip


def _strip(figure: Figure | SubFigure, place: Any, panels: Sequence[Axes]) -> None:
    """One legend for the panels of a row, below them."""
    handles, labels = _labels(iter(panels))
    ax = figure.add_subplot(place)
    ax.set_axis_off()
    if labels:
        width = figure.bbox.width / figure.dpi
        ax.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, 1.0), frameon=False,
            fontsize="small", borderpad=0, borderaxespad=0,
            ncols=legend_columns(set(labels), width, letter_size("font.size")),
        )  # fmt: skip


def _labels(axes: Iterator[Axes]) -> tuple[list[Any], list[str]]:
    """Each label once, in the order in which they are met."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
