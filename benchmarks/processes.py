"""Whole processes timed in turn, of one thread each: wall, processor's time, largest memory."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def processor() -> str:
    """Its name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


class Cost(NamedTuple):
    """Of one process and its children: seconds of wall and of processor, and MiB."""

    wall: float
    cpu: float
    memory: float


def cost(command: Sequence[str]) -> Cost:
    """Run it to its end.

    Raises:
        RuntimeError: It failed; with the last line that it printed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_compiled_once() | ONE_THREAD,
    )
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (said.strip().splitlines() or [""])[-1]
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}: {last}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _compiled_once() -> dict[str, str]:
    """The environment; in one that keeps no bytecode all modules would be compiled in each run, as no user's are."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def in_turn(commands: Sequence[Sequence[str]], repeats: int) -> list[list[Cost]]:
    """Of each command its costs: once each to warm up, then in turn, `repeats` times."""
    for command in commands:
        cost(command)
    rounds = [[cost(command) for command in commands] for _ in range(repeats)]
    return [list(of_one) for of_one in zip(*rounds, strict=True)]


def median(costs: Sequence[Cost]) -> Cost:
    """Of each number its median."""
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost]) -> Cost:
    """The median of the ratios of runs that were neighbours."""
    pairs = zip(ours, theirs, strict=True)
    return median([Cost(*(x / y for x, y in zip(*pair, strict=True))) for pair in pairs])
