"""Whether the counts and lengths in a GGUF file's header go with its size.

The library reads on behind the file's end, where it finds nothing of any number, and takes hundreds of bytes
for every entry of an array: a count of a few bytes would keep it for ever.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ...errors import FileFormatError

_SIZES = {
    0: 1,
    1: 1,
    2: 2,
    3: 2,
    4: 4,
    5: 4,
    6: 4,
    7: 1,
    10: 8,
    11: 8,
    12: 8,
}  # of a number, by type
_WORD, _ARRAY = 8, 9
_MOST_NAMED = (
    1 << 16
)  # tensors, and words of the header: the library takes tens of microseconds for each
_MOST_ENTRIES = 1 << 22  # of all arrays; the words of the largest models are a million
_LONGEST = 1_000  # letters of a name
_DEEPEST = 8  # arrays in arrays
_MOST_AXES = 8
_AT_ONCE = 1 << 20


class _Walk:
    """A header from its start to its end, in one pass."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size
        self.stream = path.open("rb", buffering=_AT_ONCE)
        self.order, self.entries = "<", _MOST_ENTRIES

    def number(self, form: str) -> int:
        width = struct.calcsize(form)
        found = self.stream.read(width)
        if len(found) < width:
            raise self.broken("it ends within its header")
        return int(struct.unpack(self.order + form, found)[0])

    def skip(self, count: int) -> None:
        if count > self.size - self.stream.tell():
            raise self.broken(f"{count:,} bytes are said to follow, which it has not")
        self.stream.seek(count, 1)

    def named(self, before: int, what: str) -> None:
        if before >= _MOST_NAMED:
            raise self.broken(f"more than {_MOST_NAMED:,} {what}, expected at most so many")

    def word(self, most: int) -> None:
        length = self.number("Q")
        if length > most:
            raise self.broken(f"a name of {length:,} letters")
        self.skip(length)

    def value(self, kind: int, depth: int = 0) -> None:
        if kind in _SIZES:
            self.skip(_SIZES[kind])
        elif kind == _WORD:
            self.word(self.size)
        elif kind == _ARRAY and depth < _DEEPEST:
            self.array(depth)
        else:
            raise self.broken(f"a value of the type {kind}, which is not known")

    def array(self, depth: int) -> None:
        kind, count = self.number("I"), self.number("Q")
        self.entries -= count
        if self.entries < 0:
            raise self.broken(f"an array of {count:,}, expected at most {_MOST_ENTRIES:,} in all")
        if kind in _SIZES:
            self.skip(count * _SIZES[kind])
            return
        for _ in range(count):
            self.value(kind, depth + 1)

    def broken(self, why: str) -> FileFormatError:
        return FileFormatError(f"{self.path} is not a whole GGUF file ({why})")


def check_header(path: Path) -> None:
    """Walk over the header; nothing is kept of it.

    Raises:
        FileFormatError: It is of more than the file holds, or of more than a model needs.
    """
    walk = _Walk(path)
    with walk.stream:
        if walk.stream.read(4) != b"GGUF":
            raise walk.broken("it does not begin as one")
        if not walk.number("I") & 0xFFFF:  # written where the highest byte comes first
            walk.order = ">"
        tensors, values = walk.number("Q"), walk.number("Q")
        for count in range(values):
            walk.named(count, "settings")
            walk.word(_LONGEST)
            walk.value(walk.number("I"))
        for count in range(tensors):
            walk.named(count, "tensors")
            walk.word(_LONGEST)
            axes = walk.number("I")
            if axes > _MOST_AXES:
                raise walk.broken(f"a tensor of {axes:,} axes")
            walk.skip(8 * axes + 12)
