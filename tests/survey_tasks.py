"""Tasks that go wrong in another process, which imports them by name: dozens begin, and nothing here loads torch."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.synchronize import Semaphore
from pathlib import Path

from lora_lens.survey import running
from lora_lens.survey.reading import ReadTask, Unread


def doubled(number: int) -> int:
    if number < 0:
        raise ZeroDivisionError(f"{number}\nis below 0")
    return 2 * number


def dies_once(task: tuple[Path, int]) -> int:
    """Kills its own process the first time that it is asked for 2."""
    folder, number = task
    mark = folder / "died"
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def always_dies(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def dies_of_bad(task: ReadTask) -> list[Unread]:
    """Kills its own process where a path is ``bad``; each other's number is its reason."""
    if "bad" in task.paths:
        os.kill(os.getpid(), signal.SIGKILL)
    return [Unread(path, str(task.first + k)) for k, path in enumerate(task.paths)]


def ends_after_the_first(task: tuple[Path, int]) -> int:
    """All but 0 wait until there is ``end`` in the folder."""
    folder, number = task
    while number and not (folder / "end").exists():
        time.sleep(0.05)
    return number


def waits(folder: Path) -> None:
    """Leaves its number, and works for an hour; ended, it takes away what it was making."""
    made = folder / f"made-{os.getpid()}"
    try:
        made.touch()
        for _ in range(36_000):  # one long sleep that has just begun passes over a signal
            time.sleep(0.1)
    finally:
        made.unlink(missing_ok=True)


def in_a_pools_hands(folder: Path) -> None:
    """As a pool's process goes on: whatever a task ends with is given back, and the next one waited for."""
    running._quietly()
    with suppress(BaseException):
        running._unless_ended(waits, folder)
    time.sleep(3600)


def ended_while_it_starts() -> None:
    """Begins as a pool's process does, and is ended before that is done."""
    start = threading.Thread.start

    def ended(thread: threading.Thread) -> None:
        start(thread)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread.start = ended  # type: ignore[method-assign]
    running._quietly()


def killed_as_it_starts(begun: Semaphore) -> None:
    """Of all processes the first, before it can take a task."""
    with suppress(FileExistsError):
        Path(os.environ["KILLED"]).touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(2)  # the others of its pool are not ahead of it
    running._begin(begun)
