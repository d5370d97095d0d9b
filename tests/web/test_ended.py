"""The page is ended while it answers."""

import json
import signal
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from lora_lens.cli.serve import _wait
from lora_lens.demo import demo_adapter

from .conftest import serving


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_nothing_is_left_of_an_answer_that_was_being_made(name: str, tmp_path: Path) -> None:
    number = getattr(signal, name, None)
    if number is None or signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{name} is not heard here")
    with serving(tmp_path, number) as page:
        before = set(tmp_path.rglob("*"))
        with urlopen(f"{page.address}config", timeout=60) as answer:
            functions = json.load(answer)["dependencies"]
        (analyse,) = (one["id"] for one in functions if len(one["inputs"]) == 4)
        asked = {"data": [None, str(demo_adapter("lora")), "", ""], "fn_index": analyse, "session_hash": "a"}  # fmt: skip
        request = Request(
            f"{page.address}gradio_api/queue/join",
            json.dumps(asked).encode(),
            {"Content-Type": "application/json"},
        )
        urlopen(request, timeout=60).close()
        ends = time.monotonic() + 60
        while set(tmp_path.rglob("*")) == before and time.monotonic() < ends:
            time.sleep(0.01)
        assert set(tmp_path.rglob("*")) != before


def test_a_signal_that_another_thread_is_given_ends_the_wait() -> None:
    kill = getattr(signal, "pthread_kill", None)
    if kill is None:
        pytest.skip("signals of one thread are not known here")
    main, late = threading.get_ident(), threading.Event()

    def send() -> None:
        time.sleep(0.5)  # the other one waits
        kill(threading.get_ident(), signal.SIGINT)
        if not ended.wait(30):
            late.set()
            kill(main, signal.SIGINT)

    ended = threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        other = threading.Thread(target=send)
        other.start()
        _wait()
        ended.set()
        other.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not late.is_set()
