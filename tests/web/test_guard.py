"""What a request is refused for, before the page sees it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from lora_lens.web.calls import Calls, Inputs
from lora_lens.web.guard import Guard


def asked(
    host: str,
    headers: dict[str, str],
    most_bytes: int = 10_000_000,
    *,
    method: str = "GET",
    path: str = "/",
) -> dict[str, Any]:
    """The start of the answer."""
    sent: list[Any] = []

    async def page(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    guard = Guard(page, host, most_bytes, Calls({}, Path("/kept")))
    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    asyncio.run(guard(scope, None, send))  # type: ignore[arg-type]
    return dict(sent[0])


@pytest.mark.parametrize(
    ("host", "named", "status"),
    [
        ("127.0.0.1", "127.0.0.1:7860", 200), ("127.0.0.1", "localhost:7860", 200),
        ("127.0.0.1", "[::1]:7860", 200), ("127.0.0.1", "[::1]", 200), ("127.0.0.1", "[::1", 403),
        ("127.0.0.1", "localhost", 200), ("127.0.0.1", "evil.example:7860", 403),
        ("0.0.0.0", "here.example", 200),
    ],
)  # fmt: skip
def test_this_machine_is_asked_by_its_own_name_alone(host: str, named: str, status: int) -> None:
    assert asked(host, {"host": named})["status"] == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860", 200), ("127.0.0.1", "http://localhost:7860", 200),
        ("127.0.0.1", "http://[::1]:7860", 200), ("127.0.0.1", "https://evil.example", 403),
        ("127.0.0.1", "https://localhost.evil.example:7860", 403), ("127.0.0.1", "null", 403),
        ("0.0.0.0", "https://here.example", 200),
    ],
)  # fmt: skip
def test_another_hosts_page_cannot_ask(host: str, origin: str, status: int) -> None:
    assert asked(host, {"host": "127.0.0.1:7860", "origin": origin})["status"] == status


def test_a_gigabyte_is_refused_before_it_is_read() -> None:
    headers = {"host": "localhost", "content-length": "1000000000"}
    to: dict[str, Any] = {"method": "POST", "path": "/gradio_api/upload"}
    assert asked("127.0.0.1", headers, **to)["status"] == 413
    form = headers | {
        "content-length": "10000000",
        "content-type": "multipart/form-data; boundary=x",
    }
    assert asked("127.0.0.1", form, **to)["status"] == 200


def test_a_browser_is_told_to_fetch_nothing_from_elsewhere() -> None:
    headers = dict(asked("127.0.0.1", {"host": "localhost"})["headers"])
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'")
    assert b"http" not in headers[b"content-security-policy"]


def test_gradio_finds_a_host_with_whoever_has_an_origin_where_others_may_come() -> None:
    """Its own answer to another origin looks for the host, and its layer stands around this one."""
    headers = [(b"origin", b"http://a.example")]
    reached: list[Any] = []

    async def page(scope: Any, _receive: Any, _send: Any) -> None:
        reached.extend(scope["headers"])

    guard = Guard(page, "0.0.0.0", 1, Calls({}, Path("/kept")))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(guard(scope, None, None))  # type: ignore[arg-type]
    assert (b"host", b"") in reached
    assert (b"host", b"") in headers


def came(blocks: list[bytes], stated: int | None, path: str, most_bytes: int) -> tuple[int, int]:
    """The answer's status, and how many bytes an application was given that reads all."""
    given, statuses = 0, []
    messages = [{"type": "http.request", "body": block, "more_body": True} for block in blocks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Any:
        return next(left, {"type": "http.disconnect"})

    async def page(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal given
        more = True
        while more:
            message = await receive()
            given += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=x")]
    if stated is not None:
        headers.append((b"content-length", str(stated).encode()))
    guard = Guard(page, "127.0.0.1", most_bytes, Calls({}, Path("/kept")))
    asyncio.run(
        guard({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    )
    (status,) = statuses
    return status, given


@pytest.mark.parametrize("stated", [None, 0, 10])
def test_bytes_are_counted_as_they_come_whatever_length_is_stated(stated: int | None) -> None:
    megabyte = bytes(1 << 20)
    for path, most in (
        ("/gradio_api/upload", 6),
        ("/gradio_api/queue/join", 1),
        ("/gradio_api/run/predict", 1),
    ):
        status, given = came([megabyte] * 20, stated, path, 5 << 20)
        assert status == 413
        assert given <= most << 20
    assert came([megabyte] * 5, stated, "/gradio_api/upload", 5 << 20) == (200, 5 << 20)


def test_an_error_that_nobody_foresaw_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def page(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("in Python's words")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    guard = Guard(page, "127.0.0.1", 1, Calls({}, Path("/kept")))
    asyncio.run(guard(scope, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 500
    assert sent[1]["body"] == b"that could not be answered"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/run/predict"])
@pytest.mark.parametrize(
    "address", ["https://huggingface.co/a", "//example.org/a", "hf://a/b", "/etc/passwd"]
)
def test_a_call_that_names_an_address_for_an_upload_reaches_nobody(path: str, address: str) -> None:
    """Gradio asks a name's address, and downloads what is public: no test on one machine would hear of it."""

    async def page(_scope: Any, _receive: Any, _send: Any) -> None:
        pytest.fail("was passed on")

    sent: list[Any] = []

    async def receive() -> Any:
        file = {"path": address, "meta": {"_type": "gradio.FileData"}}
        call = {"data": [[file]], "fn_index": 0, "session_hash": "a"}
        return {"type": "http.request", "body": json.dumps(call).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    guard = Guard(page, "127.0.0.1", 1000, Calls({0: Inputs(uploads=True)}, Path("/kept")))
    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"localhost")]}
    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 400
    scope = {"type": "http", "method": "GET", "path": f"/gradio_api/file={address}"}
    asyncio.run(guard({**scope, "headers": [(b"host", b"localhost")]}, receive, send))
    assert sent[2]["status"] == 404
