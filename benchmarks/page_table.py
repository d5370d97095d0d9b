"""A table of numbers in Markdown, as the pages that benchmarks write have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], words: str = "") -> Iterator[str]:
    """Line by line.

    Args:
        heads: Of the columns.
        rows: Of cells.
        words: A letter a column: l stands at the left, r at the right. By default the first holds words.
    """
    sides = words or "l" + "r" * (len(heads) - 1)
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' if side == 'l' else '---:' for side in sides)} |"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
