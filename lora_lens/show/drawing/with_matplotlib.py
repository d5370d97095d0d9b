"""Described figures → matplotlib. Computes nothing, saves nothing, touches no global state.

`draw` draws a panel on axes, the current ones by default; `sheet` makes a whole figure without pyplot,
or fills one, or a part of one, that it is given.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import matplotlib.pyplot as plt
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox, ScaledTranslation
from typing_extensions import TypeVar

from ...errors import LensError
from ..figure import Panel, Sheet
from ..paper import letter_size
from ..shown_figure import ShownFigure
from ..style import words
from .arranged import arranged, in_lines, shape, square
from .axes import lay
from .cells import cells, write
from .marks import MARKS
from .placed import place
from .sheet import Drawn, fill
from .titles import break_panel_titles, break_titles

# Of a function that makes a figure: what it is given to fill, or a figure of its own.
Filled = TypeVar("Filled", bound=Figure | SubFigure, default=Figure)

_LEGENDS: dict[str, dict[str, Any]] = {
    "inside": {"loc": "best"},
    "below": {"loc": "upper left", "bbox_to_anchor": (0, 0), "ncols": 2},
    "right": {"loc": "center left", "bbox_to_anchor": (1, 0.5)},
}
_BELOW = 3.4  # from an axis to the legend below its numbers and label, and as far to the left, in the size of the letters
_FEWEST_LETTERS = 8
_MORE = 1.5
_USUAL_LETTERS = 10.0  # points, of matplotlib's own settings
_NOT_FLAT = (
    "transProjection",
    "zaxis",
)  # what polar and geographic axes have, and those of three dimensions
_PAD = 0.04  # inches around texts
_LONG_IN_PARTS = 0.4  # of a panel's share: in a part labels may take half of it
_TOO_NARROW = 0.85  # of the described width: a part of a figure that has less is filled otherwise


def draw(panel: Panel, ax: Axes | None = None, *, annotate: bool | None = None) -> Axes:
    """One panel on `ax`, or on the current axes, which it returns.

    Args:
        panel: From a question's ``figures``.
        ax: Where to draw.
        annotate: Write the numbers of a heat map in its cells; by default where they can be read.

    Raises:
        LensError: `ax` is none of matplotlib's axes, or polar, geographic or 3-D.

    Example:
        >>> import numpy as np
        >>> from lora_lens.show.figure import Line, Panel
        >>> panel = Panel("norms", marks=(Line(np.arange(3.0), np.ones(3)),))
        >>> draw(panel, Figure().subplots()).get_title()
        'norms'
    """
    ax = plt.gca() if ax is None else ax
    if not isinstance(ax, Axes) or any(hasattr(ax, of) for of in _NOT_FLAT):
        kind = f"{type(ax).__name__} ({ax.name})" if isinstance(ax, Axes) else type(ax).__name__
        raise LensError(
            f"ax is of {kind}; expected one of matplotlib's axes of two straight lines, as axs[0] of several"
        )
    if panel.heat is not None:
        cells(ax, panel, annotate=annotate)
    else:
        for mark in panel.marks:
            MARKS[type(mark)](ax, mark)
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
    if panel.legend in _LEGENDS:
        placed = dict(_LEGENDS[panel.legend])
        if panel.legend == "below":
            root = ax.get_figure(root=True)
            assert root is not None
            away = -_BELOW * float(rcParams["font.size"]) / 72
            placed["bbox_transform"] = ax.transAxes + ScaledTranslation(
                away, away, root.dpi_scale_trans
            )
        ax.legend(frameon=False, fontsize="small", borderaxespad=0.4, **placed)


def sheet(described: Sheet, figure: Filled | None = None, *, width: float | None = None) -> Filled:
    """A whole figure, or what fills `figure`, which it returns.

    Args:
        described: From a question's ``figures``.
        figure: A figure or a part of one; by default a new one of the described size. In one that is
            much narrower fewer panels stand beside each other.
        width: Of a new figure, in inches: its panels are arranged so that all can be read. Without it a
            figure is higher by the lines that its long titles take, and larger in a style of larger letters.

    Example:
        >>> from lora_lens.show.figure import Block, Panel, Sheet
        >>> wide = Sheet((Block([[Panel("one"), Panel("two"), Panel("three")]]),), (9.0, 2.0))
        >>> sheet(wide).get_size_inches().tolist()
        [9.0, 2.0]
        >>> float(sheet(wide, width=3.25).get_figwidth())
        3.25
    """
    if figure is None:
        with warnings.catch_warnings():
            # Texts are measured here; what shows them says which letters the font has not.
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            return cast("Filled", _new(described, width))
    room = figure.bbox.width / figure.get_figure(root=True).dpi
    narrow = room < _TOO_NARROW * described.size[0]
    drawn = fill(figure, arranged(described, room, _font()) if narrow else described, draw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what shows the figure says them
        with suppress(
            ValueError
        ):  # of another part, which cannot be drawn: whoever shows it is told
            break_panel_titles(figure, drawn, _LONG_IN_PARTS)
    return figure


def _new(described: Sheet, width: float | None) -> Figure:
    if width is not None:
        return _at_width(arranged(described, width, _font()))
    with rc_context({} if described.font is None else {"font.size": described.font}):
        grown = _grown(described)
        figure = ShownFigure(figsize=grown.size, layout="constrained")
        drawn = fill(figure, grown, draw)
        if added := break_titles(figure, drawn):
            figure.set_figheight(grown.size[1] + added)
    return figure


def _grown(described: Sheet) -> Sheet:
    """As much larger as a style's letters are than the usual ones: its size is described for those."""
    usual = _USUAL_LETTERS if described.font is None else described.font
    times = max(letter_size("font.size"), letter_size("axes.labelsize")) / usual
    width, height = described.size
    return replace(described, size=(width * times, height * times)) if times > 1 else described


def _at_width(described: Sheet) -> Figure:
    """A figure whose height comes from its panels, once they have found their width."""
    squares = square(described)
    # Squares are as high as they are wide: too high a figure is cut, too low a one would shrink them.
    width, height = described.size
    figure = ShownFigure(
        figsize=(width, _MORE * height if squares else height),
        layout="compressed" if squares else "constrained",
    )
    drawn = fill(figure, described, lambda panel, ax: draw(panel, ax, annotate=False))
    place(figure)
    for _ in range(2):  # a label of two lines leaves its panel less room
        if not sum(_wrap(one.ax) for one in drawn):  # all of them, not the first alone
            break
        place(figure)
    figure.set_figheight(_filled(figure) if squares else described.size[1] + _lacking(drawn))
    heats = [one for one in drawn if one.panel.heat is not None]
    if heats:
        place(figure)
    for one in heats:
        write(one.ax, one.panel)
    return figure


def _wrap(ax: Axes) -> bool:
    """Break a panel's title and labels that are longer than its side turned out to be; whether any was."""
    box = ax.get_window_extent()
    broken = False
    for text, room in (
        (ax.title, box.width),
        (ax.xaxis.label, box.width),
        (ax.yaxis.label, box.height),
    ):
        whole = " ".join(text.get_text().split("\n"))
        for letters in range(len(whole) - 1, _FEWEST_LETTERS, -1):
            extent = text.get_window_extent()
            if (extent.height if text is ax.yaxis.label else extent.width) <= room:
                break
            if (lines := in_lines(whole, letters)) != text.get_text():
                text.set_text(lines)
                broken = True
    return broken


def _filled(figure: Figure) -> float:
    """Inches that the axes with their labels take, and the texts above and below them."""
    boxes = [box for ax in figure.axes if (box := ax.get_tightbbox()) is not None]
    texts = [text.get_window_extent() for text in figure.texts]
    around = Bbox.union(boxes).height + sum(box.height for box in texts)
    return around / figure.dpi + _PAD * (2 + len(texts))


def _lacking(drawn: Sequence[Drawn]) -> float:
    """Inches that the rows have too little, or too much if below 0."""
    lacking: dict[tuple[int, int], float] = {}
    for panel, ax, *row in drawn:
        box = ax.get_window_extent()
        dpi = ax.figure.get_figure(root=True).dpi
        lacks = shape(panel, box.width / dpi) - box.height / dpi
        place = (row[0], row[1])
        lacking[place] = max(lacking.get(place, lacks), lacks)
    return sum(lacking.values())


def _font() -> float:
    return float(rcParams["font.size"])
