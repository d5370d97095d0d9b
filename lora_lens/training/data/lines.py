"""Lines of a UTF-8 file, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import DataError
from ...ledger import reads

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Number and text of each line, without its line end (``\n`` or ``\r\n``).

    A byte order mark is left out, and so are empty lines at the end of the file.

    Raises:
        DataError: The file cannot be read, or a line is not UTF-8; names the line.
    """
    reads(path)
    empty: list[int] = []
    try:
        # Bytes, because reading as text would also end a line at a lone \r within a sentence.
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                line = raw.removesuffix(b"\n").removesuffix(b"\r")
                line = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if not line:
                    empty.append(number)
                    continue
                yield from ((each, "") for each in empty)
                empty.clear()
                yield number, _decoded(line, path, number)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, row {number}: byte {line[error.start]:#04x} is not UTF-8; "
            "save the file as UTF-8"
        ) from None
