"""How much memory a computation may take."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..control_groups import free_memory
from ..errors import LensError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}
_SHARE = 0.5  # of what is free
_UNKNOWN = 1 << 33  # where no system says what is free


class Least(NamedTuple):
    """Bytes that something takes at any rate, and what that is, in words."""

    size: int
    of: str


@dataclass(frozen=True)
class Budget:
    """How many bytes a computation may take, beside what the process has when it begins.

    Attributes:
        size: All of them.
        least: Of these, for what cannot be put away or done in parts.
        asked: As it was asked for; nothing where it was not.
    """

    size: int | float = math.inf
    least: int = 0
    asked: str = ""

    @property
    def kept(self) -> int | float:
        """For arrays that could be in files."""
        return min(self.size / 2, self.size - self.least)

    @property
    def chunk(self) -> int | float:
        """For more layers at a time than one."""
        return self.size / 4

    def check(self, least: Least) -> None:
        """Raise LensError where less was asked for than something takes."""
        if self.asked and self.size < least.size:
            raise LensError(
                f"memory is {self.asked}; expected at least {math.ceil(least.size / 1e6)}MB, for {least.of}"
            )


UNBOUNDED = Budget()
_LEAST = Least(1 << 26, "what any question takes")


def memory_budget(asked: str | int | None = None, *parts: Least) -> Budget:
    """What was asked for, or half of what is free; that or the least where it is not enough.

    Args:
        asked: A number of bytes, or ``500MB``, ``4GB``, ``1.5GiB``.
        parts: What it takes at any rate, one after the other: the largest of them, and 64 MiB at least.

    Raises:
        LensError: No such size, or less than the least.

    Example:
        >>> memory_budget("1.5GiB").size
        1610612736
    """
    least = max((_LEAST, *parts))
    if asked is None:
        return Budget(max(least.size, int(_SHARE * _free())), least.size)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?\s*", str(asked), re.IGNORECASE)
    if found is None:
        raise LensError(f"memory is {asked!r}; expected a size as 500MB, 4GB or 1.5GiB")
    unit = (found[2] or "").capitalize()
    budget = Budget(int(float(found[1]) * _UNITS[unit]), least.size, str(asked))
    budget.check(least)
    return budget


def _free() -> int:
    """Of the machine and of the control groups that this process is in."""
    return min((size for size in (_of_machine(), free_memory()) if size), default=_UNKNOWN)


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    known = dict(line.split(":", 1) for line in lines if ":" in line)
    return 1024 * int(known["MemAvailable"].split()[0]) if "MemAvailable" in known else None
