"""Processes that end as they start: those of a script without ``if __name__ == "__main__":``, which each of them runs anew."""

from __future__ import annotations

from multiprocessing import current_process
from multiprocessing.synchronize import Semaphore

from ..errors import LensError

_GUARD = (
    "a script is run anew by each process that it starts: put the call below `if __name__ == \"__main__\":` in a file, or take "
    "processes=1"
)  # fmt: skip


def refuse_while_starting() -> None:
    """Refuse to start processes in one that is itself being started, and runs its parent's script for that.

    Raises:
        LensError: This process is one.
    """
    if getattr(current_process(), "_inheriting", False):  # what multiprocessing itself goes by
        raise LensError(f"this process cannot start others while it is being started; {_GUARD}")


def check_begun(begun: Semaphore) -> None:
    """Of a pool that has broken: whether any of its processes had begun, and may have been killed by what it did.

    Args:
        begun: Released by each process as soon as it can take a task.

    Raises:
        LensError: None had: others would end as these have.
    """
    if not begun.acquire(block=False):
        raise LensError(f"the processes ended as they started, before any task; {_GUARD}") from None
    begun.release()
