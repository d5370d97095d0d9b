"""What a request is refused for, before the page sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lora_lens.web.calls import Calls
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
    form = headers | {"content-length": "10000000", "content-type": "multipart/form-data; boundary=x"}
    assert asked("127.0.0.1", form, **to)["status"] == 200


def test_a_browser_is_told_to_fetch_nothing_from_elsewhere() -> None:
    headers = dict(asked("127.0.0.1", {"host": "localhost"})["headers"])
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'")
    assert b"http" not in headers[b"content-security-policy"]
