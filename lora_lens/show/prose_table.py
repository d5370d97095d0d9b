"""A table of words on the terminal: names are broken at their dots, and stand above their words where both do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from .layout import Table

_GAP = 2  # cells between columns, and before the words that stand below a name
_LEAST_WORDS = 24  # cells of the last column beside the others
_PARTS = re.compile(r"[^._/\-]*[._/\-]*")  # of a name, each with what ends it


class ProseTable:
    """Text to the left, the last column broken between words, and a name between its parts, where the terminal ends."""

    def __init__(self, content: Table) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One table, or where the last column has no room, its words below the rest of each row."""
        head, rows = self.content.head, self.content.rows
        widths = [max(cell_len(row[k]) for row in [head, *rows]) for k in range(len(head))]
        last = widths[-1]
        room = options.max_width - sum(widths[:-1]) - _GAP * (len(head) - 1)
        if room < min(last, _LEAST_WORDS):
            yield from _stacked(self.content, options.max_width)
            return
        shown = RichTable(box=None, pad_edge=False, header_style="dim")
        for name, width in zip(head, [*widths[:-1], min(last, room)], strict=True):
            shown.add_column(Text(name), width=width)
        for *cells, words in rows:
            shown.add_row(*map(Text, cells), Text("\n".join(broken(words, room))))
        yield shown


def _stacked(content: Table, width: int) -> Iterator[Text]:
    *names, words = content.head
    yield Text(f"{_side_by_side(names)}\n{' ' * _GAP}{words}", style="dim")
    for *cells, said in content.rows:
        below = (" " * _GAP + line for line in broken(said, width - _GAP))
        yield Text("\n".join([*broken(_side_by_side(cells), width), *below]))


def _side_by_side(cells: list[str]) -> str:
    return (" " * _GAP).join(cells)


def broken(text: str, width: int) -> list[str]:
    """Lines of a text, broken between words; a word that is longer than a line where a part of it ends, if any does.

    Args:
        text: In one line.
        width: Cells of a line.

    Example:
        >>> broken("base_model.classifier.dense.bias is new", 24)
        ['base_model.classifier.', 'dense.bias is new']
        >>> broken("unbroken", 5)
        ['unbro', 'ken']
    """
    lines = [""]
    for word in text.split(" "):
        start = " " if lines[-1] else ""
        if cell_len(lines[-1] + start + word) <= width:
            lines[-1] += start + word
            continue
        lines += [""] if lines[-1] else []
        for part in _pieces(word, width):
            if cell_len(lines[-1] + part) <= width:
                lines[-1] += part
            else:
                lines.append(part)
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """Parts of a word, none of which is longer than a line."""
    for part in _PARTS.findall(word):
        yield from (part[k : k + width] for k in range(0, len(part), width))
