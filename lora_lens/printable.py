"""Text of strangers, on its way to a terminal, a table, a page, a drawing or the name of a file.

Names of tensors, of folders and in configurations may hold anything: ESC moves a terminal's cursor and
turns its colours, U+202E turns a line around, U+0000 ends a file's name.
"""

from __future__ import annotations

import re
import unicodedata

INSTEAD = "\ufffd"
_KEPT = frozenset("\n\t\u200c\u200d")  # of our own layout, and between letters of Persian and Hindi
_LONGEST_WORD = 400
_LONGEST_LINE = 2_000


def printable(text: str) -> str:
    r"""The text with a U+FFFD for every character that does something instead of being seen.

    Line feeds and tabs stay, which lay out our own texts.

    Example:
        >>> printable("a\x1b[31mb\u202e"), printable("W0 · φ")
        ('a�[31mb�', 'W0 · φ')
    """
    if text.isprintable():
        return text
    return "".join(one if _is_seen(one) else INSTEAD for one in text)


def _is_seen(one: str) -> bool:
    return one.isprintable() or one in _KEPT or unicodedata.category(one) == "Zs"


def one_line_of(text: str) -> str:
    r"""Words of strangers as one line of what is seen.

    Example:
        >>> one_line_of("a\r\n b\x1b"), one_line_of("two  blanks")
        ('a b�', 'two  blanks')
    """
    return text if text.isprintable() else printable(" ".join(text.split()))


def is_printable(text: str) -> bool:
    r"""Whether a path or a name is of one line, and all of it can be seen.

    Example:
        >>> is_printable("runs/é"), is_printable("a\x07b"), is_printable("a\nb")
        (True, False, False)
    """
    return text.isprintable() or (printable(text) == text and not set("\n\t") & set(text))


def first_line(error: BaseException) -> str:
    r"""What another library's error says first; its kind where it says nothing.

    Example:
        >>> first_line(OSError("no such file\n\ntry another")), first_line(KeyboardInterrupt())
        ('no such file', 'KeyboardInterrupt')
    """
    said = str(error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def one_line(text: str) -> str:
    r"""The text in one line that a terminal holds: words and lines of any length are cut in their middle.

    Example:
        >>> one_line("no module 'a\nb'; it has: q")
        "no module 'a b'; it has: q"
        >>> len(one_line("x" * 10**6)) < 1000
        True
    """
    text = re.sub(r"\s*[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+\s*", " ", text)
    if len(text) > _LONGEST_WORD:
        text = " ".join(_cut(word, _LONGEST_WORD) for word in text.split(" "))
    return printable(_cut(text, _LONGEST_LINE)).strip()


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]}…{text[-(most // 4) :]}"


def safe_stem(stem: str) -> str:
    """What a file can be called on every system, without its ending: no separator, no sign, not too long.

    Example:
        >>> safe_stem("similarity-q@2x4/../é"), len(safe_stem("x" * 300))
        ('similarity-q_2x4_.._é', 120)
    """
    import hashlib

    name = re.sub(r"[^\w.-]", "_", stem)
    size = len(name.encode("utf-8", "replace"))
    if size <= _LONGEST_STEM:
        return name
    told = hashlib.sha256(stem.encode("utf-8", "replace")).hexdigest()[:12]
    kept = name.encode("utf-8", "replace")[: _LONGEST_STEM - len(told) - 1].decode(
        "utf-8", "ignore"
    )
    return f"{kept}-{told}"


_LONGEST_STEM = 120  # bytes: a file's whole name may have 255
