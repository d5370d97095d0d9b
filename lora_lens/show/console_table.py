"""A table on the terminal: no word and no number is broken; columns that do not fit stand below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from .layout import Table
from .plain_names import plainly

_GAPS = (2, 1)  # cells between columns; the narrower where all columns then fit
_LEAST_NAME = 8  # cells of a name that is folded for its row's numbers to have room
_WORDS = ("null",)  # columns of them stand at the left, as a first one does


class FittedTable:
    """A table of numbers as wide as the terminal at most.

    Heads wrap between words. Where the columns do not fit side by side for all that, the rest of them
    stands below, beside the columns that name the rows once more: ``0/3/6/11`` broken in two would be
    read as another number.
    """

    def __init__(self, content: Table) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Blocks of columns, an empty line between them."""
        content, width = _plainly(self.content, console.encoding), options.max_width
        gap = next((gap for gap in _GAPS if len(blocks(content, width, gap)) == 1), _GAPS[0])
        for position, columns in enumerate(blocks(content, width, gap)):
            if position:
                yield Text()
            yield _block(content, columns, width, gap)


def _plainly(content: Table, encoding: str) -> Table:
    """With signs that the encoding has, before columns are as wide as what is in them."""
    head, *rows = (
        [plainly(cell, encoding) for cell in row] for row in (content.head, *content.rows)
    )
    return content._replace(head=head, rows=rows)


def blocks(content: Table, width: int, gap: int = _GAPS[0]) -> list[list[int]]:
    """Positions of the columns that stand side by side, block by block; names of rows are in every block.

    Args:
        content: The table.
        width: Cells of the terminal's line.
        gap: Cells between columns.

    Example:
        >>> wide = Table("", ["layer", "norm of ΔW", "rank"], [["0", "4.710", "8"]])
        >>> blocks(wide, 80), blocks(wide, 12)
        ([[0, 1, 2]], [[0, 1], [0, 2]])
        >>> pairs = Table("", ["one", "other", "φ", "p"], [["lora-a", "lora-b", "0.1", "0.020"]])
        >>> blocks(pairs, 20)
        [[0, 1, 2], [0, 1, 3]]
    """
    least = [_least(content, k) for k in range(len(content.head))]
    names = content.naming
    found, current = [], list(names)
    for column in (k for k in range(len(content.head)) if k not in names):
        if len(current) > len(names) and _total(least, [*current, column], gap) > width:
            found.append(current)
            current = list(names)
        current.append(column)
    return [sorted(columns) for columns in [*found, current]]


def _block(content: Table, columns: Sequence[int], width: int, gap: int) -> RichTable:
    shown = RichTable(box=None, pad_edge=False, header_style="dim", collapse_padding=gap == 1)
    for column, wide in zip(columns, _widths(content, columns, width, gap), strict=True):
        head = content.head[column]
        left = column == 0 or head in _WORDS
        shown.add_column(
            Text(head), justify="left" if left else "right", overflow="fold", width=wide or None
        )
    for row in content.rows:
        shown.add_row(*(Text(row[column]) for column in columns))
    return shown


def _widths(content: Table, columns: Sequence[int], width: int, gap: int) -> Iterator[int]:
    """What each column needs, and then short heads in one line while there is room; 0 where rich decides."""
    widths = {k: _least(content, k) for k in columns}
    spare = width - _total(widths, columns, gap)
    if spare < 0:
        named = [k for k in columns if k in content.naming]
        room = spare + sum(widths[k] for k in named)
        if room < _LEAST_NAME * len(named):
            yield from (0 for _ in columns)
            return
        # The longest names are folded, and no number.
        for left, k in zip(
            range(len(named), 0, -1), sorted(named, key=widths.__getitem__), strict=True
        ):
            widths[k] = min(widths[k], room // left)
            room -= widths[k]
        yield from widths.values()
        return
    missing = {k: max(cell_len(content.head[k]) - widths[k], 0) for k in columns}
    for k in sorted(columns, key=missing.__getitem__):
        if missing[k] <= spare:
            widths[k] += missing[k]
            spare -= missing[k]
    yield from widths.values()


def _total(least: Sequence[int] | dict[int, int], columns: Sequence[int], gap: int) -> int:
    return sum(least[k] for k in columns) + gap * (len(columns) - 1)


def _least(content: Table, column: int) -> int:
    """The longest word of its head, or its longest cell."""
    words = content.head[column].split()
    return max(map(cell_len, [*words, *(row[column] for row in content.rows)]), default=0)
