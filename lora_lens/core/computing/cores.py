"""Work on many small matrices, a core to each: products of a few milliseconds are not worth sharing out over threads."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import cache
from threading import Event, local
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

from .lapack import shared_out

T = TypeVar("T")
R = TypeVar("R")
_HERE = local()  # of a thread that works on items: whether its caller waits for none any more


def on_cores(
    work: Callable[[T], R], items: Iterable[T], count: int, most: int | None = None
) -> Iterator[R]:
    """What `work` makes of each item, in order, several at a time, among which torch's threads are shared out.

    With one thread, or one item, it is done in this thread itself, as by `map`. What `work` raises is raised where its
    result would come, and no other is begun then. Torch's settings in other threads are as before.

    Args:
        work: Of one item; of several at a time, so that it may change nothing that another reads.
        items: Taken from one after the other, as work on them begins.
        count: Of the items, as many at a time as torch has threads: it settles how many threads each has.
        most: At a time, where memory settles it. Each has no more threads then, so that no digit depends on memory.

    Example:
        >>> list(on_cores(lambda x: x * x, range(4), count=4))
        [0, 1, 4, 9]
    """
    threads = torch.get_num_threads()
    workers = min(threads, count)
    if workers < 2:
        yield from map(work, items)
        return
    each, grad, asked, over = threads // workers, torch.is_grad_enabled(), list[bool](), Event()
    workers = workers if most is None else max(1, min(workers, most))

    def begin() -> None:
        _HERE.over = over
        asked.append(_take(each))
        torch.set_grad_enabled(grad)

    _openmp()  # which looks through what is loaded: not while another thread loads
    begun: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="core", initializer=begin)
    try:
        with shared_out(each):
            for item in items:
                if len(begun) == workers:
                    yield begun.popleft().result()
                begun.append(pool.submit(work, item))
            while begun:
                yield begun.popleft().result()
    finally:
        over.set()
        try:
            pool.shutdown()
        finally:
            if any(asked):  # by another thread, when the last of these has begun
                with ThreadPoolExecutor(1) as last:
                    last.submit(torch.set_num_threads, threads)


def while_waited_for(_: int, __: int) -> None:
    """A `Progress` for work on an item: ends it once nobody waits for what it makes, after Ctrl-C or an error in another.

    Raises:
        CancelledError: It is so.

    Example:
        >>> while_waited_for(1, 2)
    """
    over = getattr(_HERE, "over", None)
    if over is not None and over.is_set():
        raise CancelledError


def _take(threads: int) -> bool:
    """Give this thread, a new one, so many of OpenMP's; whether the setting of threads to come has changed, too.

    ``torch.set_num_threads`` is of all threads to come, and lets MKL's LU of a stack be wrong in them
    (https://github.com/pytorch/pytorch/issues/141358): it is called only where the caller has called it before.
    """
    torch.get_num_threads()  # which settles how many a new thread has, when it is asked first
    _openmp().limit(limits=threads)
    said = re.search(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    if said is None or int(said[1]) <= threads:
        return False
    torch.set_num_threads(threads)
    return True


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
