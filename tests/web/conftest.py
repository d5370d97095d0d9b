"""The page in a process of its own, and a Chromium to open it in."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

LIMIT = 2  # megabytes
# A shell's background jobs, and what they start, do not hear Ctrl-C.
ENDS = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT


@dataclass(frozen=True)
class Served:
    """Where the page is, and the folder in which it keeps what it keeps."""

    address: str
    kept: Path
    process: subprocess.Popen[str]

    def files(self) -> list[Path]:
        """Every file with something in it."""
        return [
            path
            for path in self.kept.rglob("*")
            if path.is_file() and path.stat().st_size and "matplotlib" not in str(path)
        ]


def begin(kept: Path, *options: str) -> Served:
    """`lora-lens serve`, whose temporary files are in a folder of its own."""
    for extra in ("gradio", "plotly"):
        if importlib.util.find_spec(extra) is None:
            pytest.skip(f"{extra} is not here: pip install 'lora-lens[web]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "lora_lens",
        "serve",
        "--port",
        str(port),
        "--limit",
        str(LIMIT),
    ]
    environment = os.environ | {"TMPDIR": str(kept), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [*command, *options], env=environment, stderr=subprocess.PIPE, text=True
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait_for(address, process)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Served(address, kept, process)


@contextmanager
def serving(kept: Path, ends: int = ENDS, options: Sequence[str] = ()) -> Iterator[Served]:
    """The page; when a signal has ended it nothing of it is left, and it has said nothing in Python's words."""
    page = begin(kept, *options)
    try:
        yield page
    finally:
        page.process.send_signal(ends)
        said = page.process.communicate(timeout=120)[1]
    assert page.process.returncode == 0, said
    assert "Traceback" not in said
    assert list(kept.glob("lora-lens-*")) == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page."""
    with serving(tmp_path_factory.mktemp("kept")) as page:
        yield page


def _wait_for(address: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert process.poll() is None, process.communicate()[1]
        try:
            urlopen(address, timeout=10).close()
            return
        except URLError:
            time.sleep(0.5)
    pytest.fail("the page did not come up")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, as in the report's tests."""
    pages = pytest.importorskip("pages")
    if not (pages.CHROMIUM and pages.CHROMEDRIVER):
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    with pages.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver
