"""One analysis at a time: its limit, its end when a visitor cancels it, and the process that is gone then."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from lora_lens.web import analyses as analyses_module
from lora_lens.web.analyses import CANCELLED, Analyses
from lora_lens.web.answering import Answer, Asked
from lora_lens.web.places import Places

# What the real one does, without its libraries: the name that was typed comes back.
ECHOES = """
import json, pickle, sys
while True:
    asked, _, _, folder = pickle.load(sys.stdin.buffer)
    if asked.adapter == "dies":
        sys.exit(3)
    if asked.adapter == "hangs":
        import time
        time.sleep(3600)
    (folder / "t").write_text(json.dumps({"page": "", "summary": asked.adapter, "error": ""}))
    (folder / "t").replace(folder / "told.json")
"""
LONG = 600.0  # seconds, which nothing here takes


class Started:
    """Every process that was started in place of the real one."""

    def __init__(self, code: str) -> None:
        self.code, self.all = code, list[subprocess.Popen[bytes]]()

    def __call__(self) -> subprocess.Popen[bytes]:
        self.all.append(subprocess.Popen([sys.executable, "-c", self.code], stdin=subprocess.PIPE))
        return self.all[-1]

    def running(self) -> int:
        return sum(one.poll() is None for one in self.all)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    made = Started(ECHOES)
    monkeypatch.setattr(analyses_module, "_started", made)
    return made


def asked(adapter: str) -> Asked:
    return Asked([], adapter, "", "value")


def line(root: Path, seconds: float = LONG) -> Analyses:
    return Analyses(Places.of("127.0.0.1", None), 10_000_000, root, seconds)


def run(analyses: Analyses, what: Coroutine[Any, Any, Any], root: Path) -> Any:
    """The outcome; nothing is left in the folder, and no process."""
    try:
        return asyncio.run(what)
    finally:
        analyses.close()
        assert list(root.iterdir()) == []


def test_a_process_answers_one_after_the_other(started: Started, tmp_path: Path) -> None:
    analyses = line(tmp_path)

    async def three() -> list[Answer]:
        return await asyncio.gather(*(analyses.answer(name, asked(name)) for name in "abc"))

    assert [one.summary for one in run(analyses, three(), tmp_path)] == ["a", "b", "c"]
    assert len(started.all) == 1
    assert started.running() == 0


def test_an_analysis_that_takes_too_long_is_ended_and_the_next_has_its_turn(
    started: Started, tmp_path: Path
) -> None:
    analyses = line(tmp_path, 3.0)

    async def two() -> list[Answer]:
        return await asyncio.gather(
            analyses.answer("a", asked("hangs")), analyses.answer("b", asked("quick"))
        )

    long, quick = run(analyses, two(), tmp_path)
    assert long.error.startswith(
        "stopped after 0.05 minutes, which is the limit of this page (--minutes); name one module"
    )
    assert (
        quick.summary == "quick" or "stopped after" in quick.error
    )  # where a machine is too busy to start it
    assert len(started.all) == 2
    assert started.running() == 0


def test_who_cancels_ends_what_is_his_and_nothing_else(started: Started, tmp_path: Path) -> None:
    """The running one, whose process is killed, and one that waits, whose turn does not come."""
    analyses = line(tmp_path)

    async def four() -> tuple[Answer, Answer, Answer]:
        first = asyncio.create_task(analyses.answer("a", asked("hangs")))
        waits = asyncio.create_task(analyses.answer("b", asked("b")))
        last = asyncio.create_task(analyses.answer("c", asked("c")))
        while not started.all:
            await asyncio.sleep(0.01)
        analyses.cancel("nobody")
        analyses.cancel("b")
        cancelled = await waits
        assert not first.done()
        assert started.running() == 1
        analyses.cancel("a")
        return await first, cancelled, await last

    running, waiting, other = run(analyses, four(), tmp_path)
    assert running.error == waiting.error == CANCELLED
    assert other.summary == "c"
    assert len(started.all) == 2


def test_what_was_cancelled_on_its_way_is_not_begun(started: Started, tmp_path: Path) -> None:
    """Gradio has a call for a while before it asks here; a later one of the same visitor is answered."""
    analyses = line(tmp_path)

    async def two() -> list[Answer]:
        called = time.monotonic()
        analyses.cancel("a")
        return [
            await analyses.answer("a", asked("early"), called),
            await analyses.answer("a", asked("late"), time.monotonic()),
            await analyses.answer("b", asked("other"), called),
        ]

    early, late, other = run(analyses, two(), tmp_path)
    assert (early.error, late.summary, other.summary) == (CANCELLED, "late", "other")


def test_a_process_that_dies_is_one_line_and_the_next_is_answered(
    started: Started, tmp_path: Path
) -> None:
    analyses = line(tmp_path)

    async def two() -> list[Answer]:
        return [await analyses.answer("a", asked("dies")), await analyses.answer("a", asked("b"))]

    died, after = run(analyses, two(), tmp_path)
    assert died.error.startswith("the analysis ended without an answer, as where memory runs out; ")
    assert after.summary == "b"


def test_more_than_may_wait_are_told_so(started: Started, tmp_path: Path) -> None:
    analyses = line(tmp_path)

    async def many() -> list[Answer]:
        first = asyncio.create_task(analyses.answer("a", asked("hangs")))
        others = [asyncio.create_task(analyses.answer(str(k), asked("b"))) for k in range(22)]
        while not any(one.done() for one in others):
            await asyncio.sleep(0.01)
        analyses.close()
        return [await first, *(await asyncio.gather(*others))]

    errors = [one.error for one in run(analyses, many(), tmp_path)]
    assert errors == [CANCELLED] * 21 + ["20 others wait here already; try again later"] * 2


def test_whose_task_is_ended_leaves_no_process(started: Started, tmp_path: Path) -> None:
    """As where the page ends in the midst of it."""
    analyses = line(tmp_path)

    async def ended() -> None:
        task = asyncio.create_task(analyses.answer("a", asked("hangs")))
        while not started.all:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert started.running() == 0

    run(analyses, ended(), tmp_path)


def test_the_real_process_answers_and_ends_with_who_started_it(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    analyses = line(tmp_path)

    async def one() -> Answer:
        told = await analyses.answer("a", asked("/no/such"))
        process = analyses._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()  # which is what it sees of the end of the page's process, however that ended
        assert process.wait(120) == 0
        return told

    assert run(analyses, one(), tmp_path).error.startswith("/no/such is neither a folder here")
