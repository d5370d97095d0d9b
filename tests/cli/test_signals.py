"""Ctrl-C, SIGTERM and SIGHUP where Python cannot raise them, or must not, wait for its end, and are then heard."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lora_lens.staging import ENDING
from lora_lens.terminal.signals import _unraisable, heed_signals, leave_signals

SLOW = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{name})
    for _ in range(20):
        time.sleep(0.01)
    print("whole", flush=True)
except BaseException:
    raise ImportError("cut short")
"""
RUN = """
import sys, time
from lora_lens.terminal.signals import Terminated, heed_signals
heed_signals()
begun = time.monotonic()
try:
    import slow
    time.sleep(30)
except KeyboardInterrupt as error:
    print(type(error).__name__, time.monotonic() - begun < 20)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Terminated"), ("SIGHUP", "HungUp")],
)
def test_an_import_is_not_cut_short(name: str, said: str, tmp_path: Path) -> None:
    number = getattr(signal, name, None)
    if number is None or signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{name} is not heard here, as Ctrl-C in a shell's background")
    (tmp_path / "slow.py").write_text(SLOW.format(name=name))
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["whole", said, "True"], done.stderr


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Signals are as a command finds them, and as they were afterwards."""
    before = {one: signal.getsignal(one) for one in ENDING}
    for one in ENDING:
        signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
    yield
    leave_signals()
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize(
    ("name", "said"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Terminated")]
)
def test_one_that_comes_where_nothing_can_be_raised_is_not_lost(name: str, said: str) -> None:
    """Python goes on after whatever is raised in a `__del__`, and tells of it alone."""

    class Gone:
        def __del__(self) -> None:
            signal.raise_signal(getattr(signal, name))

    def go_on() -> None:
        Gone()  # and is gone at once
        for _ in range(500):
            time.sleep(0.01)

    heed_signals()
    with pytest.raises(KeyboardInterrupt) as raised:
        go_on()
    assert type(raised.value).__name__ == said


@pytest.mark.usefixtures("own_handlers")
def test_of_many_none_is_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """One may come while it is looked at what was made of the one before."""

    class Gone:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    def go_on() -> None:
        for _ in range(50):
            Gone()
        time.sleep(5)

    def of_all(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    heed_signals()
    sys.setprofile(
        lambda frame, what, _: (
            of_all() if frame.f_code is _unraisable.__code__ and what == "call" else None
        )
    )
    try:
        with pytest.raises(KeyboardInterrupt):
            go_on()
    finally:
        sys.setprofile(None)
        for number in ENDING:  # what is still to come is of no interest
            signal.signal(number, signal.SIG_IGN)
        time.sleep(0.2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("own_handlers")
def test_what_else_nothing_can_catch_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError

    told: list[type[BaseException] | None] = []

    def tell(what: Any) -> None:
        told.append(what.exc_type)

    monkeypatch.setattr(sys, "unraisablehook", tell)
    heed_signals()
    Broken()
    leave_signals()
    assert told == [ValueError]
    assert sys.unraisablehook is tell
