"""Work on several items at a time, with torch's threads shared out among them."""

import subprocess
import sys
import threading
import time

import pytest
from threadpoolctl import ThreadpoolController

from lora_lens.core.computing.cores import _openmp, on_cores, while_waited_for

IN_A_PROCESS = """
import re, sys, threading, torch
{before}
from lora_lens.core.computing.cores import on_cores

def threads():
    mkl = re.search(r"mkl_get_max_threads\\(\\) : (\\d+)", torch.__config__.parallel_info())
    return torch.get_num_threads(), int(mkl[1]) if mkl else torch.get_num_threads()

def elsewhere():
    found = []
    thread = threading.Thread(target=lambda: found.append(threads()))
    thread.start(); thread.join()
    return found[0]

gate = threading.Barrier(2)
def work(_):
    gate.wait(60)  # both are in it
    return threads(), threading.current_thread() is threading.main_thread()

before = threads(), elsewhere()
assert list(on_cores(work, range(4), 4)) == [((1, 1), False)] * 4
assert (threads(), elsewhere()) == before, (threads(), elsewhere(), before)
print(*before[0])
"""


@pytest.mark.parametrize("before", ["", "torch.set_num_threads(2)"])
def test_threads_are_shared_out_and_elsewhere_as_they_were(before: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS.format(before=before)],
        capture_output=True,
        text=True,
        env={"OMP_NUM_THREADS": "2", "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 2\n"


def several(monkeypatch: pytest.MonkeyPatch, threads: int = 3) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)


def test_results_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch)

    def work(k: int) -> int:
        time.sleep(0.02 * (4 - k))
        return k

    assert list(on_cores(work, range(4), 4)) == [0, 1, 2, 3]


def test_items_are_taken_as_work_on_them_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or all weights of a base would be read at once."""
    several(monkeypatch)
    taken = []

    def items():
        for k in range(9):
            taken.append(k)
            yield k

    found = on_cores(lambda k: k, items(), 9, most=2)
    for k in range(3):
        assert next(found) == k
    assert len(taken) <= 6
    found.close()


def test_what_is_raised_comes_in_its_turn_and_ends_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    several(monkeypatch)
    begun = []

    def work(k: int) -> int:
        begun.append(k)
        if k == 1:
            raise ValueError(k)
        return k

    found = on_cores(work, range(50), 50, most=2)
    assert next(found) == 0
    with pytest.raises(ValueError, match="1"):
        list(found)
    assert max(begun) < 5
    assert not [one for one in threading.enumerate() if one.name.startswith("core")]


def test_one_item_is_done_in_this_thread() -> None:
    here = threading.current_thread()
    assert list(on_cores(lambda _: threading.current_thread() is here, range(1), 1)) == [True]


def test_memory_for_one_at_a_time_gives_it_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of two threads have other digits than those of one."""
    taken = []
    several(monkeypatch, 4)
    monkeypatch.setattr("lora_lens.core.computing.cores._take", taken.append)
    assert list(on_cores(lambda k: k, range(2), 2, most=1)) == [0, 1]
    assert taken == [2]


def test_libraries_are_looked_through_before_other_threads_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes the loader's lock and then Python's; a thread that imports takes them the other way round."""
    several(monkeypatch)
    looked = []
    _openmp.cache_clear()

    def look() -> ThreadpoolController:
        looked.append(threading.current_thread() is threading.main_thread())
        return ThreadpoolController()

    monkeypatch.setattr("lora_lens.core.computing.cores.ThreadpoolController", look)
    assert list(on_cores(lambda k: k, range(3), 3)) == [0, 1, 2]
    assert looked == [True]


def test_work_that_nobody_waits_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C would wait for all draws of a chunk."""
    several(monkeypatch, 2)
    begun, ended = threading.Event(), []

    def work(k: int) -> int:
        if k == 0:
            begun.wait(60)
            raise KeyboardInterrupt
        begun.set()
        try:
            for step in range(2000):
                time.sleep(0.01)
                while_waited_for(step, 2000)
        finally:
            ended.append(step)
        return k

    with pytest.raises(KeyboardInterrupt):
        list(on_cores(work, range(2), 2))
    assert ended[0] < 1000
    while_waited_for(1, 2)  # nor does it end anything elsewhere
