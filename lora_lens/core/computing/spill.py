"""Arrays that need not be in memory."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import torch
from torch import Tensor

from ...errors import LensError

_AT_ONCE = 1 << 20  # bytes of a file written


@dataclass
class Spill:
    """Makes arrays in memory up to a limit, and beyond it in temporary files that are gone with the process.

    Several threads may ask one at the same time.

    Attributes:
        most: Bytes in memory, of all arrays together.
    """

    most: int | float = math.inf
    _used: int = 0
    _maps: list[mmap.mmap] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def empty(self, shape: Sequence[int], like: Tensor, dtype: torch.dtype) -> Tensor:
        """An array of this shape, where `like` is if it is in memory.

        Raises:
            LensError: There is not room enough for it on the disk.
        """
        size = math.prod(shape) * dtype.itemsize
        if self._taken(size, like):
            return like.new_empty(tuple(shape), dtype=dtype)
        # Without a buffer, which a full disk would have fail once more as the file is closed.
        with tempfile.TemporaryFile(prefix="lora-lens-", buffering=0) as file:
            try:
                _reserve(file, size)
            except OSError as error:
                raise LensError(
                    f"{size / 1e9:.1f} GB are more than memory may take, and there is no room for them in "
                    f"{tempfile.gettempdir()} ({error.strerror}); ask for fewer --draws, more --memory, or set TMPDIR"
                ) from None
            mapped = mmap.mmap(file.fileno(), size)
        self._maps.append(mapped)
        return torch.frombuffer(mapped, dtype=dtype).view(tuple(shape))

    def keep(self, made: Tensor) -> Tensor:
        """A tensor, as it is or put away.

        Raises:
            LensError: As `empty`.
        """
        if self._taken(made.nbytes, made):
            return made
        if made.mT.is_contiguous() and not made.is_contiguous():
            # As it lies: products in another order round otherwise.
            return self.keep(made.mT).mT
        kept = self.empty(made.shape, made, made.dtype)
        kept.copy_(made)
        self.release()
        return kept

    def fits(self, size: int, like: Tensor) -> bool:
        """Whether so many bytes more are in memory."""
        return like.device.type != "cpu" or self._used + size <= self.most

    def _taken(self, size: int, like: Tensor) -> bool:
        """Whether so many bytes more are in memory, which are then counted."""
        with self._lock:
            if not self.fits(size, like):
                return False
            self._used += size
            return True

    def beside(self) -> Spill:
        """Another, of what this one has left, which releases what is in this one's files, too: its own go when it does."""
        return Spill(self.most - self._used, _maps=[*self._maps])

    def release(self) -> None:
        """What is in files need not be in memory until it is used again."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)


def _reserve(file: IO[bytes], size: int) -> None:
    """All of its bytes, now: a mapped file that finds the disk full later ends the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros, written = bytes(_AT_ONCE), 0  # macOS and Windows have what is written alone
    while written < size:
        written += file.write(zeros[: size - written])
