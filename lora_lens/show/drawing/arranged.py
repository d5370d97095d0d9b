"""A described figure at a width that is asked for: fewer panels a row, texts in lines, a height that suits.

Description in, description out: nothing here draws.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..figure import Axis, Block, Mark, Panel, Scale, Sheet, apart, in_order

_LETTER = 0.54  # width of a usual letter, in its size
_LINE = 1.3  # height of a line of text, in the size of its letters
# In inches, of a panel with its labels whose letters have 7.5 points.
_HEAT, _GRID, _MARKS = 1.3, 0.7, 1.5
_USUAL = 7.5
_AXIS = 0.42  # what numbers and a label take beside or below a panel
_BAR = 0.5  # what a colour scale takes
_LOWEST, _HIGHEST = 1.0, 2.4  # of a panel that need not be square
_ROW, _MOST_NAMED = 0.1, 24  # of a row whose name must be there, and as many rows as may have one
_TALL = 1.25  # height of cells, in their width, where they are more down than across
_SLENDER = 0.62  # height of a panel of marks, in its width

Row = tuple[Panel | None, ...]
Moved = dict[tuple[int, int], tuple[int, int]]


def arranged(sheet: Sheet, width: float, font: float) -> Sheet:
    """The same panels, as many a row as can be read at `width`.

    Args:
        sheet: As it is described, whatever the width.
        width: Of the page, in inches.
        font: Size of its letters in points.

    Example:
        >>> wide = Sheet((Block([[Panel("one"), Panel("two"), Panel("three")]]),), (12, 3))
        >>> made = arranged(wide, 3.25, 7.5)
        >>> made.size[0], [len(row) for row in made.blocks[0].rows]
        (3.25, [2, 2])
    """
    blocks = tuple(_narrowed(block, width, font) for block in sheet.blocks)
    title, note = (_lines(text, width - 0.1, font) for text in (sheet.title, sheet.note))
    said = _LINE * font / 72 * (_count(title) + _count(note))
    labels = {label for block in blocks for label in _labels(_panels(block))}
    if sheet.legend == "below":
        said += _legend_height(labels, width, font)
    heights = [_height(block, width, font, sheet) for block in blocks]
    size = (width, round(sum(heights) + said + 0.1, 3))
    return replace(sheet, blocks=blocks, title=title, note=note, size=size, font=font)


def square(sheet: Sheet) -> bool:
    """Whether its panels have the shape of their cells, so that a height is too much or too little."""
    return any(one.heat is not None and one.heat.square for b in sheet.blocks for one in _panels(b))


def _narrowed(block: Block, width: float, font: float) -> Block:
    """A block with no more columns than fit, its labels in lines."""
    fit = max(1, int((width + 1e-6) / _need(block, font)))
    made = block
    if block.columns > fit and block.narrow != "keep":
        rows, moved = _MOVES[_how(block, fit)](block, fit)
        made = replace(
            block, rows=rows, scales=tuple(_scale(one, block, moved) for one in block.scales), widths=()
        )  # fmt: skip
    each = width / made.columns
    shares = made.widths or (1.0,) * made.columns
    room = [width * share / sum(shares) for share in shares] if block.narrow == "keep" else None
    several = made.columns > 1
    lines = [
        [_fitted(one, room[c] if room else each, font, row=several) for c, one in enumerate(row)]
        for row in made.rows
    ]
    return replace(made, rows=lines, title=_lines(made.title, width - 0.1, font))


def _need(block: Block, font: float) -> float:
    """Inches that the panel that needs most must have."""
    most = _GRID
    for one in _panels(block):
        if one.heat is None:
            most = max(most, _MARKS)
        elif len(one.title) > 10:
            most = max(most, _HEAT)
    return most * math.sqrt(font / _USUAL)  # larger letters stand closer


def _how(block: Block, fit: int) -> str:
    if block.narrow == "turn":
        return "turn" if 1 < len(block.rows) <= fit else "flow" if len(block.rows) == 1 else "wrap"
    return block.narrow


def _turn(block: Block, _: int) -> tuple[list[Row], Moved]:
    across = range(len(block.rows))
    down = range(block.columns)
    rows = [tuple(_at(block, r, c) for r in across) for c in down]
    return rows, {(r, c): (c, r) for r in across for c in down}


def _wrap(block: Block, fit: int) -> tuple[list[Row], Moved]:
    """Columns in groups, one below the other, each with all of the rows."""
    groups = math.ceil(block.columns / fit)
    each = math.ceil(block.columns / groups)
    rows: list[Row] = []
    moved: Moved = {}
    for first in range(0, block.columns, each):
        for r in range(len(block.rows)):
            row = [_at(block, r, c) for c in range(first, min(first + each, block.columns))]
            if not any(row):
                continue
            moved |= {(r, first + k): (len(rows), k) for k in range(len(row))}
            rows.append((*row, *[None] * (each - len(row))))
    return rows, moved


def _flow(block: Block, fit: int) -> tuple[list[Row], Moved]:
    """Panel after panel."""
    order = [
        (r, c) for r, row in enumerate(block.rows) for c, one in enumerate(row) if one is not None
    ]
    each = math.ceil(len(order) / math.ceil(len(order) / fit))
    moved = {place: divmod(k, each) for k, place in enumerate(order)}
    shown = [block.rows[r][c] for r, c in order]
    shown += [None] * (-len(shown) % each)
    return [tuple(shown[k : k + each]) for k in range(0, len(shown), each)], moved


_MOVES = {"turn": _turn, "wrap": _wrap, "flow": _flow}


def _scale(one: Scale, block: Block, moved: Moved) -> Scale:
    """A scale goes with its panels: below them if they are in one row or column, else beside all."""
    if one.at:
        panels = sorted(moved[place] for place in one.at)
        # In rows apart it would stand beside all that is between them, too.
        return replace(one, at=tuple(place for place in panels if place[0] == panels[0][0]))
    if not one.of:
        return one
    of = [(r, c) for r in range(len(block.rows)) for c in one.of if _at(block, r, c) is not None]
    at = tuple(sorted(moved[place] for place in of))
    whole = len({c for _, c in at}) == max(c for _, c in moved.values()) + 1
    return replace(one, of=(), at=at, below=not whole)


def _fitted(one: Panel | None, width: float, font: float, *, row: bool) -> Panel | None:
    """A panel whose texts are no wider than it is."""
    if one is None:
        return None
    inner = width - _AXIS * font / _USUAL
    height = min(_HIGHEST, max(_LOWEST, _SLENDER * inner))
    legend = one.legend
    if legend != "none":
        legend = "row"
    return replace(
        one,
        title=_lines(one.title, width - 0.12 if row else width - 0.2, font),
        x=_axis(one.x, inner, font),
        y=_axis(one.y, max(_LOWEST, _SLENDER * inner), font),
        marks=_named(one.marks, inner, height, font),
        legend=legend,
    )


def _named(marks: tuple[Mark, ...], width: float, height: float, font: float) -> tuple[Mark, ...]:
    """Of the names beside points those that there is room for."""
    letters = max((len(name) for one in marks for name in getattr(one, "names", ())), default=0)
    size = font * 5 / 6 / 72
    return apart(marks, (letters + 1.5) * 0.65 * size / width, 2 * size / height)


def _axis(axis: Axis, room: float, font: float) -> Axis:
    return replace(axis, label=_lines(axis.label, room, font))


def _lines(text: str, room: float, font: float) -> str:
    """A text in lines no longer than the room in inches."""
    return in_lines(text, int(72 * room / (_LETTER * font)))


def in_lines(text: str, letters: int, *, whole: bool = True) -> str:
    """A text in lines of no more letters, but for words that are longer, which are broken too where they need not be whole."""
    return "\n".join(
        line
        for part in text.split("\n")
        for line in textwrap.wrap(
            part, max(8, letters), break_long_words=not whole, break_on_hyphens=False
        )
    )


def _height(block: Block, width: float, font: float, sheet: Sheet) -> float:
    """About how high a block is."""
    line = _LINE * font / 72
    heading = line * 1.2 * _count(block.title)
    if block.narrow == "keep":
        return heading + width * sheet.size[1] / sheet.size[0]
    beside = sum(not one.lies for one in block.scales)
    lying = sum(one.lies for one in block.scales)
    axis = _AXIS * font / _USUAL
    heats = all(one.heat is not None for one in _panels(block))
    inner = (width - _BAR * beside - (axis if heats else 0)) / block.columns - (
        0.06 if heats else axis
    )
    total = heading + _BAR * lying
    for r, row in enumerate(block.rows):
        shown = [one for one in row if one is not None]
        titles = max(_count(one.title) for one in shown)
        labels = max((_count(one.x.label) for one in shown), default=0)
        edge = not heats or r == len(block.rows) - 1
        below = labels * line + 0.2 * font / _USUAL if edge else 0.06
        total += max(shape(one, inner) for one in shown) + titles * line + below + 0.08
        total += _legend_height(
            set(_labels(one for one in shown if one.legend == "row")), width, font
        )
    return total


def shape(one: Panel, width: float) -> float:
    """Inches that suit the height of a panel's axes of some width."""
    if one.heat is None:
        return min(_HIGHEST, max(_LOWEST, _SLENDER * width))
    height = width * len(one.heat.rows) / max(1, len(one.heat.columns))
    if one.heat.square:
        return height
    named = 0 if in_order(one.heat.rows) else min(len(one.heat.rows), _MOST_NAMED)
    return max(_ROW * named, 0.6 * _LOWEST, min(_HIGHEST, _TALL * width, height))


def _legend_height(labels: set[str], width: float, font: float) -> float:
    if not labels:
        return 0.0
    rows = -(-len(labels) // legend_columns(labels, width, font))
    return rows * 1.25 * _LINE * font * 5 / 6 / 72 + 0.08


def legend_columns(labels: Sequence[str] | set[str], width: float, font: float) -> int:
    """How many labels of a legend stand beside each other."""
    size = font * 5 / 6
    longest = _LETTER * size * max(map(len, labels)) + 4.5 * size
    return max(1, min(len(labels), int(72 * width / longest)))


def _labels(panels: Iterator[Panel]) -> Iterator[str]:
    for one in panels:
        for mark in one.marks:
            if (label := getattr(mark, "label", "")) and getattr(
                mark, "said", "legend"
            ) == "legend":
                yield label


def _panels(block: Block) -> Iterator[Panel]:
    return (one for row in block.rows for one in row if one is not None)


def _at(block: Block, row: int, column: int) -> Panel | None:
    return block.rows[row][column] if column < len(block.rows[row]) else None


def _count(text: str) -> int:
    return text.count("\n") + 1 if text else 0
