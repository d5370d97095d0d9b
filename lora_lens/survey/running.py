"""Tasks that know nothing of each other: one after another, in processes, or by anybody's executor."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.synchronize import Semaphore
from types import FrameType
from typing import Any

from ..arrays import nothing
from ..bases.renaming import Said, saying
from ..bases.renaming import said as renamings
from ..errors import LensError, MissingExtraError
from ..staging import ENDING
from .escaped import escaped_line
from .unguarded import has_begun, none_begun

_PATIENCE = 10.0  # seconds that a process has to clean up
_ended = False  # of a process of a pool
_TRIES = 2  # of a task that was under way when a process died


@dataclass(frozen=True)
class Done:
    """A task that has ended: its value, or why there is none, in one line."""

    index: int
    value: Any
    reason: str | None


@dataclass
class Runner:
    """Who does the work.

    Attributes:
        processes: Of this machine; 1 for none but this one.
        executor: Somebody's, instead.
        lost: Says why the executor does nothing more, in one line, where it has been lost.
    """

    processes: int = 1
    executor: Executor | None = None
    lost: Callable[[], str | None] = nothing

    def run(
        self, function: Callable[[Any], Any], tasks: Sequence[Any]
    ) -> Generator[Done, None, None]:
        """Each task as it ends, in no order; what goes wrong in one is its reason, and the others go on.

        Names that are said of a base (`lora_lens.renaming`) go along to whoever does the work. Closed before its
        end, it leaves nothing running.

        Raises:
            LensError: Processes of this machine ended as they started, before any of them took a task.
        """
        if names := renamings():
            function = partial(_saying, names, function)
        if self.executor is not None:
            return self._by_others(self.executor, function, tasks)
        if self.processes > 1 and len(tasks) > 1:
            return _by_processes(min(self.processes, len(tasks)), function, tasks)
        return _in_turn(function, tasks)

    def _by_others(
        self, executor: Executor, function: Callable[[Any], Any], tasks: Sequence[Any]
    ) -> Generator[Done, None, None]:
        with closing(_by_executor(executor, function, dict(enumerate(tasks)))) as ended:
            for done in ended:
                yield replace(done, reason=self.lost() or done.reason) if done.reason else done


def _saying(names: Said, function: Callable[[Any], Any], task: Any) -> Any:
    with saying(names):
        return function(task)


def _in_turn(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Generator[Done, None, None]:
    for index, task in enumerate(tasks):
        try:
            yield Done(index, function(task), None)
        except Exception as error:
            yield Done(index, None, said(error))


def said(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, LensError):
        return escaped_line(str(error))
    if isinstance(error, MemoryError):
        return "out of memory"
    return escaped_line(f"{type(error).__name__}: {error}")[:300]


def _by_executor(
    executor: Executor, function: Callable[[Any], Any], tasks: dict[int, Any], *, own: bool = False
) -> Generator[Done, None, None]:
    """Of a pool of our own that has broken the error is raised, when what was done before has been given."""
    work = partial(_unless_ended, function) if own else function
    futures: dict[Future[Any], int] = {}
    broken: BrokenProcessPool | None = None
    try:
        for index, task in tasks.items():
            try:
                with _ctrl_c_waits() if own else nullcontext():  # its process may begin here
                    futures[executor.submit(work, task)] = index
            except Exception as error:  # somebody's, which takes no more
                if own:
                    raise
                yield Done(index, None, said(error))
        for future in as_completed(futures):
            try:
                yield Done(futures[future], future.result(), None)
            except (Exception, CancelledError) as error:
                if own and isinstance(error, BrokenProcessPool):
                    broken = error
                else:
                    yield Done(futures[future], None, said(error))
    finally:
        for future in futures:
            future.cancel()
    if broken is not None:
        raise broken


def _by_processes(
    count: int, function: Callable[[Any], Any], tasks: Sequence[Any]
) -> Generator[Done, None, None]:
    """A pool whose processes may be killed: what was under way then is done alone, the rest by a new pool."""
    left = dict(enumerate(tasks))
    begun = get_context("spawn").Semaphore(0)
    tried = 0
    while left:
        tried += 1
        try:
            with _pool(count, begun) as pool:
                for done in _by_executor(pool, function, left.copy(), own=True):
                    del left[done.index]
                    yield done
        except BrokenProcessPool:
            if not has_begun(begun):
                if tried < _TRIES:  # what ended one as it started took the others of its pool along
                    continue
                raise none_begun() from None
            for index in list(left)[:count]:  # submitted first, and so begun first
                yield _alone(function, index, left.pop(index), begun)


def _alone(function: Callable[[Any], Any], index: int, task: Any, begun: Semaphore) -> Done:
    """A task with nothing beside it that could have broken its pool."""
    for _ in range(_TRIES):
        try:
            with _pool(1, begun) as pool:
                return next(_by_executor(pool, function, {index: task}, own=True))
        except BrokenProcessPool:
            continue
    return Done(index, None, f"the process that worked on it was killed {_TRIES} times")


@contextmanager
def _pool(count: int, begun: Semaphore) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_begin, initargs=(begun,)
    )
    try:
        yield pool
    except BaseException:  # Ctrl-C, or the caller has gone: what is under way leaves nothing behind
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(_PATIENCE)
        raise
    else:
        pool.shutdown()


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """The block in which Ctrl-C waits for its end; it never comes to processes that are begun in it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(begun: Semaphore) -> None:
    _quietly()
    begun.release()


def _quietly() -> None:
    """In a process of the pool: what a terminal sends is its parent's affair, and being ended runs what cleans up."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in ENDING:  # last: a pool tells what its processes raise before they have begun
        signal.signal(number, _end if number == signal.SIGTERM else signal.SIG_IGN)


def _end_with_parent() -> None:
    """Nobody tells the processes of a pool that the one they work for was killed: they would wait for ever."""
    parent = parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    if hasattr(signal, "pthread_kill"):  # not on Windows
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(_PATIENCE)
    os._exit(1)


def _end(_number: int, _frame: FrameType | None) -> None:
    global _ended  # noqa: PLW0603
    if not _ended:
        _ended = True
        at_last = threading.Timer(_PATIENCE, os._exit, (1,))  # whatever has caught what follows
        at_last.daemon = True
        at_last.start()
    sys.exit(1)


def _unless_ended(function: Callable[[Any], Any], task: Any) -> Any:
    """A pool takes the end of a process for that of a task, and has the process wait for its next one."""
    try:
        return None if _ended else function(task)
    finally:
        if _ended:
            os._exit(1)


@contextmanager
def dask_runner(address: str) -> Iterator[Runner]:
    """Of a Dask cluster at an address, ``tcp://…``.

    Raises:
        MissingExtraError: dask.distributed is not installed.
        LensError: There is no scheduler at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            f'--scheduler needs Dask: pip install "dask[distributed]" ({error})'
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise LensError(f"no Dask scheduler at {address}: {escaped_line(str(error))}") from None

    def lost() -> str | None:
        if client.status == "running":
            return None
        return f"the Dask scheduler at {address} is gone; start one, and run the survey again"

    with client:
        yield Runner(executor=client.get_executor(retries=1), lost=lost)
