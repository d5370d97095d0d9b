"""Where the page cannot listen: our own words, one line of them."""

import math
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from commands import fails, run

from lora_lens.cli import serve
from lora_lens.errors import LensError, MissingExtraError
from lora_lens.web.serving import serving


def test_a_port_that_is_taken_is_one_line() -> None:
    pytest.importorskip("plotly")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("serve", "--port", port)
    fails(done, f"cannot listen on 127.0.0.1:{port}: Address already in use; try another --port")
    assert "GRADIO" not in done.stderr


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("nope.invalid", "no address of that name"),
        ("x" * 70 + ".invalid", "no address of that name"),
        ("192.0.2.1", "it is no address of this machine"),
    ],
)
def test_a_host_that_is_not_here_is_one_line(host: str, why: str) -> None:
    pytest.importorskip("plotly")
    done = run("serve", "--host", host)
    fails(done, f"cannot listen on {host}: {why}; try another --host")


def test_the_wait_is_one_that_ctrl_c_ends_on_windows_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There it does not end the wait for a lock, which an event's is."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", lambda *_: pytest.fail("waits for a lock"))
    monkeypatch.setattr(time, "sleep", interrupted)
    serve._wait()


def test_the_environment_is_what_it_was_behind_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly")
    within: list[dict[str, str]] = []

    @contextmanager
    def launched(*_: object) -> Iterator[str]:
        within.append({**os.environ})
        yield "http://here"

    monkeypatch.setattr("lora_lens.web.serving._launched", launched)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "mine")
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    before = {**os.environ}
    with serving(port=None) as address:
        assert address == "http://here"
    assert {**os.environ} == before
    assert within[0]["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert within[0]["GRADIO_TEMP_DIR"] != "mine"


def test_what_a_report_lacks_is_in_the_pages_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r'the page needs .* "lora-lens\[web\]"'), serving():
        pass


def test_a_limit_without_an_end_is_one_line() -> None:
    done = run("serve", "--minutes", "inf")
    fails(done, "--minutes inf is no time that ends; expected a number above 0")
    with pytest.raises(LensError, match="--minutes nan is no time"), serving(minutes=math.nan):
        pass
