"""How much memory a computation may take, and arrays that need not be in it."""

from __future__ import annotations

import math
import mmap
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import LensError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}
_SHARE = 0.5  # of what is free
_LEAST = 1 << 26
_UNKNOWN = 1 << 33  # where no system says what is free


@dataclass(frozen=True)
class Budget:
    """How many bytes a computation may take, beside what the process has when it begins.

    Attributes:
        size: All of them.
        least: Of these, for what cannot be put away or done in parts.
    """

    size: int | float = math.inf
    least: int = 0

    @property
    def kept(self) -> int | float:
        """For arrays that could be in files."""
        return min(self.size / 2, self.size - self.least)

    @property
    def chunk(self) -> int | float:
        """For more layers at a time than one."""
        return self.size / 4


UNBOUNDED = Budget()


def memory_budget(asked: str | int | None = None, least: int = _LEAST, of: str = "") -> Budget:
    """What was asked for, or half of what is free; that or the least where it is not enough.

    Args:
        asked: A number of bytes, or ``500MB``, ``4GB``, ``1.5GiB``.
        least: What it takes at any rate; 64 MiB where that is less.
        of: What for, in words.

    Raises:
        LensError: No such size, or less than the least.

    Example:
        >>> memory_budget("1.5GiB").size
        1610612736
    """
    least = max(least, _LEAST)
    if asked is None:
        return Budget(max(least, int(_SHARE * _free())), least)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?\s*", str(asked), re.IGNORECASE)
    if found is None:
        raise LensError(f"memory is {asked!r}; expected a size as 500MB, 4GB or 1.5GiB")
    unit = (found[2] or "").capitalize()
    size = int(float(found[1]) * _UNITS[unit])
    if size < least:
        needed = "64 MiB" if least == _LEAST else f"{math.ceil(least / 1e6)}MB"
        raise LensError(
            f"memory is {asked}; expected at least {needed}{f' for {of}' if of else ''}"
        )
    return Budget(size, least)


def _free() -> int:
    """Of the machine and of the control group that this process is in."""
    return min((size for size in (_of_machine(), _of_group()) if size), default=_UNKNOWN)


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    known = dict(line.split(":", 1) for line in lines if ":" in line)
    return 1024 * int(known["MemAvailable"].split()[0]) if "MemAvailable" in known else None


def _of_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / f"memory.{name}").read_text() for name in ("max", "current"))
    except OSError:
        return None
    return max(1, int(most) - int(used)) if most.strip() != "max" else None


@dataclass
class Spill:
    """Makes arrays in memory up to a limit, and beyond it in temporary files that are gone with the process.

    Attributes:
        most: Bytes in memory, of all arrays together.
    """

    most: int | float = math.inf
    _used: int = 0
    _maps: list[mmap.mmap] = field(default_factory=list)

    def empty(self, shape: Sequence[int], like: Tensor, dtype: torch.dtype) -> Tensor:
        """An array of this shape, where `like` is if it is in memory.

        Raises:
            LensError: There is not room enough for it on the disk.
        """
        size = math.prod(shape) * dtype.itemsize
        if like.device.type != "cpu" or self._used + size <= self.most:
            self._used += size
            return like.new_empty(tuple(shape), dtype=dtype)
        with tempfile.TemporaryFile(prefix="lora-lens-") as file:
            try:
                # All of it now: a mapped file that finds the disk full later ends the process.
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise LensError(
                    f"{size / 1e9:.1f} GB of draws are more than memory may take, and there is no room for them in "
                    f"{tempfile.gettempdir()} ({error.strerror}); ask for fewer --draws, more --memory, or set TMPDIR"
                ) from None
            mapped = mmap.mmap(file.fileno(), size)
        self._maps.append(mapped)
        return torch.frombuffer(mapped, dtype=dtype).view(tuple(shape))

    def release(self) -> None:
        """What is in files need not be in memory until it is used again."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)
