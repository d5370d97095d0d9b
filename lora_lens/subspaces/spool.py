"""Bases of all adapters at one place, read block by block: in memory while they are few, else in a file without a name.

1,000 adapters of rank 16 on 32 layers of 4096 are 16.8 GB in float64, and one layer of them 0.5 GB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, pairwise
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike, NDArray

from ..core.numbers.either import as_numpy
from ..errors import LensError

# Bytes; what is written to a file lies in memory too, as long as nobody else needs that.
_IN_MEMORY = 1 << 21


class Spool:
    """Rows of every adapter in turn, written once and read in ranges of adapters.

    The file lies in the system's temporary folder and is gone with the process, however that ends.
    """

    def __init__(self, d: int, dtype: DTypeLike) -> None:
        self.d = d
        self.widths: list[int] = []
        self._dtype: np.dtype[Any] = np.dtype(dtype)
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._starts: list[int] | None = None

    def add(self, rows: Float[Any, "i d"], widths: Sequence[int] | None = None) -> None:
        """The next adapter's; or those of several below each other, so many of each.

        Raises:
            LensError: There is no room for it on the disk.
        """
        kept = np.ascontiguousarray(as_numpy(rows), dtype=self._dtype)
        if kept.size:  # of nothing there is no view as bytes
            with _room():
                self._file.write(kept.data.cast("B"))
        self.widths += [len(rows)] if widths is None else widths

    def rows(self, which: range) -> Float[Any, "rows d"]:
        """Those of some adapters, below each other.

        Raises:
            LensError: There is no room for all of them on the disk, or they are not there any more.
        """
        if self._starts is None:
            with _room():
                self._file.flush()
            self._starts = [0, *accumulate(self.widths)]
        first, last = self._starts[which.start], self._starts[which.stop]
        found = np.empty((last - first, self.d), dtype=self._dtype)
        if len(found):
            size = found.nbytes
            with _room():
                self._file.seek(first * self.d * self._dtype.itemsize)
                read = self._file.readinto(found.data.cast("B"))
            if read != size:  # or the rest would be whatever was in memory
                raise LensError(
                    f"a temporary file in {tempfile.gettempdir()} gave {read:,} of {size:,} bytes; try again, or set TMPDIR"
                )
        return found

    def every(self) -> list[Float[NDArray[Any], "i d"]]:
        """Each adapter's by itself."""
        rows = self.rows(range(len(self.widths)))
        return [rows[start:stop] for start, stop in pairwise(accumulate(self.widths, initial=0))]

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What could not be written is not written now, and the first error is the one to be told.
        with suppress(OSError):
            self._file.close()


@contextmanager
def _room() -> Iterator[None]:
    """What a disk says, in a line that names which one: it is not where results are written."""
    try:
        yield
    except OSError as error:
        folder = tempfile.tempdir or "any temporary folder"
        raise LensError(
            f"bases of all adapters are kept in a temporary file, and {folder} cannot have it: "
            f"{error.strerror or error}; set TMPDIR to a folder with more room"
        ) from None
