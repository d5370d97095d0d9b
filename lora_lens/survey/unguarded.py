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


def has_begun(begun: Semaphore) -> bool:
    """Of a pool that has broken: whether any of its processes had begun, and may have been killed by what it did.

    Args:
        begun: Released by each process as soon as it can take a task.
    """
    if not begun.acquire(block=False):
        return False
    begun.release()
    return True


def none_begun() -> LensError:
    """Where none ever has: others would end as these have."""
    return LensError(
        f"the processes ended as they started, before any task, and so did others in their place. Unless memory or somebody ended them: {_GUARD}"
    )
