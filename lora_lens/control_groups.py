"""What Linux's control groups leave to this process: a container's memory and cores, or a job's on a cluster.

A limit may stand at the process's own group or at any above it, of which version 2 has one tree and version 1 one for each
controller (the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1). Slurm sets them some levels above a job's
processes, and most containers show a process's own group as the root.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_PROCESS = Path("/proc/self")
_ALONE = Path("/sys/fs/cgroup")  # where a container's group is, if /proc tells nothing
_ESCAPED = re.compile(r"\\([0-7]{3})")  # a space or a line feed in a mount's path


class _Memory(NamedTuple):
    """Names of a group's files: its limits, what it has now, and of that what the kernel gives back unasked."""

    limits: tuple[str, ...]
    used: str
    given_back: str  # pages of files that were read once and not again


_VERSION_2 = _Memory(("memory.max", "memory.high"), "memory.current", "inactive_file")
_VERSION_1 = _Memory(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")


def free_memory() -> int | None:
    """Bytes that the process may take until the nearest of its groups' limits; None where there is none.

    Pages of files that were read count as a group's own, but are given back where memory is wanted, so they are free here.

    Example:
        >>> free = free_memory()
        >>> free is None or free > 0
        True
    """
    found = [
        free
        for names, controller in ((_VERSION_2, ""), (_VERSION_1, "memory"))
        for group in _groups(controller)
        if (free := _free_of(group, names)) is not None
    ]
    return min(found, default=None)


def cores() -> int | None:
    """How many cores' time the process may have, rounded up; None where its groups set no limit.

    Example:
        >>> count = cores()
        >>> count is None or count >= 1
        True
    """
    found = [*map(_cores_2, _groups("")), *map(_cores_1, _groups("cpu"))]
    return min((count for count in found if count is not None), default=None)


def _free_of(group: Path, names: _Memory) -> int | None:
    limits = [limit for name in names.limits if (limit := _number(group / name)) is not None]
    used = _number(group / names.used)
    if not limits or used is None:
        return None
    back = 0
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, size = line.partition(" ")
            if name == names.given_back:
                back = int(size)
    return max(1, min(limits) - max(0, used - back))


def _cores_2(group: Path) -> int | None:
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (group / "cpu.max").read_text().split()
        return max(1, math.ceil(int(quota) / int(period)))  # ValueError of "max"
    return None


def _cores_1(group: Path) -> int | None:
    quota, period = (_number(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return max(1, math.ceil(quota / period)) if quota and period and quota > 0 else None


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the process's group and of all above it that can be seen; of version 2 where no controller is named."""
    path = _path(controller)
    if not controller and path is None:
        yield _ALONE
    for root, mount in _mounts(controller):
        if path is None:
            return
        seen = (
            path.is_relative_to(root) and ".." not in path.parts
        )  # else the mount is of another group's view
        below = path.relative_to(root) if seen else PurePosixPath()
        group = mount / below
        yield from (group, *(one for one in group.parents if one.is_relative_to(mount)))


def _path(controller: str) -> PurePosixPath | None:
    """The process's group, as /proc says: ``0::/a/b`` of version 2, ``4:cpu,cpuacct:/a/b`` of version 1."""
    for line in _lines("cgroup"):
        _, _, told = line.partition(":")
        controllers, _, path = told.partition(":")
        if path and controller in controllers.split(","):
            return PurePosixPath(path)
    return None


def _mounts(controller: str) -> Iterator[tuple[PurePosixPath, Path]]:
    """Which group is seen where: ``31 23 0:28 /root /where rw - cgroup2 cgroup2 rw``."""
    for line in _lines("mountinfo"):
        here, _, kind = line.partition(" - ")
        if len(of_place := here.split()) < 5 or len(of_kind := kind.split()) < 2:
            continue  # no line of the kernel's
        (root, where), system, settings = of_place[3:5], of_kind[0], of_kind[-1]
        its_own = system == "cgroup" and controller in settings.split(",")
        if its_own if controller else system == "cgroup2":
            yield PurePosixPath(_plain(root)), Path(_plain(where))


def _plain(path: str) -> str:
    return _ESCAPED.sub(lambda one: chr(int(one[1], 8)), path)


def _lines(name: str) -> list[str]:
    try:
        return (_PROCESS / name).read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:  # another system, or one that hides it
        return []
