"""Ctrl-C, SIGTERM and SIGHUP in the middle of an import wait for its end, and are then heard."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{name})
    for _ in range(20):
        time.sleep(0.01)
except BaseException:
    raise ImportError("cut short")
"""
RUN = """
import sys, time
from lora_lens.terminal.signals import Terminated, heed_signals
heed_signals()
try:
    import slow
    print("whole", flush=True)
    begun = time.monotonic()
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
