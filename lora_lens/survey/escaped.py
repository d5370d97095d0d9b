"""Names that are no UTF-8, as tables, pages and JSON can hold them: Python has half a surrogate pair for each such byte."""

from __future__ import annotations

from ..printable import printable


def escaped(text: str) -> str:
    r"""The text with what UTF-8 does not hold as Python writes it.

    Example:
        >>> print(escaped("seed-\udcff"), escaped("W0 · φ"))
        seed-\udcff W0 · φ
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escaped_line(text: str) -> str:
    r"""The same in one line, whose words one blank parts and of which all is seen: another library's error may hold anything.

    Example:
        >>> escaped_line("no\n module  q"), escaped_line("no \x1b[31mq")
        ('no module q', 'no �[31mq')
    """
    return printable(" ".join(escaped(text).split()))
