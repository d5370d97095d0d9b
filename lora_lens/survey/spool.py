"""Bases of all adapters at one place, kept in a file that has no name, read block by block."""

from __future__ import annotations

import tempfile
from itertools import accumulate
from types import TracebackType
from typing import BinaryIO

import torch
from jaxtyping import Float
from torch import Tensor


class Spool:
    """Rows of every adapter in turn, written once and read in ranges of adapters.

    The file lies in the system's temporary folder and is gone with the process, however that ends.
    """

    def __init__(self, d: int, dtype: torch.dtype) -> None:
        self.d = d
        self.widths: list[int] = []
        self._dtype = dtype
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        self._starts: list[int] | None = None

    def add(self, rows: Float[Tensor, "i d"]) -> None:
        """The next adapter's."""
        kept = rows.to(self._dtype).contiguous()
        self._file.write(memoryview(kept.numpy()))  # type: ignore[arg-type]
        self.widths.append(len(rows))

    def rows(self, which: range) -> Float[Tensor, "rows d"]:
        """Those of some adapters, below each other."""
        if self._starts is None:
            self._file.flush()
            self._starts = [0, *accumulate(self.widths)]
        first, last = self._starts[which.start], self._starts[which.stop]
        found = torch.empty(last - first, self.d, dtype=self._dtype)
        if len(found):
            self._file.seek(first * self.d * self._dtype.itemsize)
            self._file.readinto(found.numpy())  # type: ignore[attr-defined]
        return found

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
