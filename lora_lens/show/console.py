"""What the results share on the terminal: tables, notes and shaded grids, by rich."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ..labelled import Array
from .console_table import FittedTable
from .layout import Table
from .prose_table import ProseTable

# φ from 0 to 1, pale to dark: lightness falls evenly, so it reads in grey and by colour-blind eyes.
_SHADES = ((247, 251, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107))
_BLOCKS = " ░▒▓█"
_NUMBER = 4  # width of a cell, or of a row's head, that holds a number


def table(content: Table, *, wide: bool = False) -> RenderableType:
    """A table of text under its title; numbers to the right, in columns that fit, unless it is prose."""
    shown = ProseTable(content) if wide else FittedTable(content)
    return Padding(Group(Text(content.title, style="bold"), shown), (1, 0, 0, 0))


def notes(lines: Iterable[str]) -> Iterator[RenderableType]:
    """Notes, a line each."""
    return (Text(f"note: {line}", style="yellow") for line in lines)


def numbers_in(width: int) -> int:
    """How many columns of numbers a `shaded_grid` has room for on a line of so many cells; one at least."""
    return max(1, width // _NUMBER - 1)


def shaded_grid(
    title: str,
    rows: Sequence[int],
    columns: Sequence[int],
    values: Array,
    console: Console,
    *,
    corner: str = "",
    narrower: Sequence[int] = (),
) -> Text:
    """Numbers from 0 to 1 on cells shaded by their size, under their title and the columns' numbers.

    Args:
        title: What they are.
        rows, columns: Their numbers.
        values: (row, column).
        console: Where it will be printed.
        corner: What stands above the rows' numbers.
        narrower: Widths of cells without numbers in them, for where those with numbers do not fit;
            the last one is taken whether it fits or not. Such cells are of layers beside themselves:
            what is no number is shaded from 0 to the highest off the diagonal, which the title says,
            for beside the diagonal's 1 all others would be one pale shade.
    """
    widths = (_NUMBER, *narrower)
    width = next((w for w in widths if _NUMBER + w * len(columns) <= console.width), widths[-1])
    text = Text(title, style="bold")
    shades = np.asarray(values, dtype=np.float64)
    if width == _NUMBER:
        heads = "".join(f"{column:>{_NUMBER}}" for column in columns)
        text.append(f"\n{corner:<{_NUMBER}}{heads}", style="not bold dim")
    else:
        shades, highest = _off_diagonal(shades)
        text.append(f"  darkest: {highest:.2g}, the highest off the diagonal", style="not bold dim")
    for name, row in zip(rows, shades, strict=True):
        text.append(f"\n{name:>{_NUMBER - 1}} ", style="not bold dim")
        for value in map(float, row):
            text.append(_cell(value, width, console), style="not bold " + _style(value, console))
    return text


def _off_diagonal(values: Array) -> tuple[Array, float]:
    """Numbers as parts of the highest one off the diagonal, and that; what is on the diagonal is none."""
    off = values.copy()
    np.fill_diagonal(off, np.nan)
    highest = float(np.nanmax(off, initial=0.0))
    return off / (highest or 1.0), highest


def _cell(value: float, width: int, console: Console) -> str:
    if np.isnan(value):
        return "·".rjust(width) if width == _NUMBER else "·".ljust(width)
    if width == _NUMBER:
        return " 1.0" if value >= 0.995 else f" {value:.2f}".replace("0.", ".", 1).rjust(_NUMBER)
    if console.color_system:
        return " " * width
    return _BLOCKS[min(4, int(value * 5))] * width


def _style(value: float, console: Console) -> str:
    if np.isnan(value):
        return "dim"
    if not console.color_system:
        return ""
    position = min(max(value, 0.0), 1.0) * (len(_SHADES) - 1)
    low = min(int(position), len(_SHADES) - 2)
    part = position - low
    red, green, blue = (
        round(a + (b - a) * part) for a, b in zip(_SHADES[low], _SHADES[low + 1], strict=True)
    )
    ink = "black" if np.dot((red, green, blue), (0.299, 0.587, 0.114)) > 128 else "white"
    return f"{ink} on rgb({red},{green},{blue})"
