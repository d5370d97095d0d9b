"""What is sent to the page past a browser: calls of its functions, and bodies whose length is not stated or not true."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from .conftest import Served

PATIENCE = 240  # seconds
JOIN, RUN = "gradio_api/queue/join", "gradio_api/run/predict"


@dataclass(frozen=True)
class Told:
    """An answer's status and body."""

    status: int
    body: str

    @property
    def line(self) -> str:
        """Of an error what it says, which is one line of our own."""
        assert self.status >= 400, self
        try:
            (line,) = json.loads(self.body).values()
        except ValueError:
            line = self.body
        assert isinstance(line, str)
        assert 10 < len(line) < 300
        assert "\n" not in line
        for words in (
            "Traceback",
            "Error",
            "Exception",
            "pydantic",
            "type=",
            "None",
            "<class",
            "object at",
        ):
            assert words not in line
        return line


def asked(
    served: Served, path: str, body: object = None, kind: str = "application/json", **headers: str
) -> Told:
    """The answer to JSON, to bytes, or to a question without a body."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": kind} if data is not None else {}
    request = Request(served.address + path, data, named | headers)
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return Told(answer.status, answer.read().decode())
    except HTTPError as error:
        with error:
            return Told(error.code, error.read().decode())


def functions(served: Served) -> dict[int, int]:
    """Those that can be called: how many values each is given."""
    found = json.loads(asked(served, "config").body)["dependencies"]
    return {one["id"]: len(one["inputs"]) for one in found if one["backend_fn"]}


def the(served: Served, inputs: int) -> int:
    """The function with so many."""
    (found,) = (number for number, count in functions(served).items() if count == inputs)
    return found


def call(
    number: object, data: object, session: object = "visitor", **more: object
) -> dict[str, Any]:
    """Of a function."""
    return {"fn_index": number, "data": data, "session_hash": session, **more}


def said(served: Served, session: str) -> str:
    """The answer that a visitor's page shows, when it is there."""
    address = f"{served.address}gradio_api/queue/data?session_hash={session}"
    with urlopen(address, timeout=PATIENCE) as answer:
        for line in answer:
            message = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
            if message.get("msg") == "process_completed":
                return str(message["output"]["data"][0])
    raise AssertionError("no answer")


def raw(served: Served, head: str, chunks: Iterable[bytes] = ()) -> Told:
    """The answer to bytes as they stand; what is not taken of them is not sent."""
    at = urlsplit(served.address)
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=PATIENCE) as wire:
        wire.sendall(head.replace("\n", "\r\n").encode())
        try:
            for chunk in chunks:
                wire.sendall(chunk)
        except OSError:
            pass
        answer = b""
        try:
            while block := wire.recv(1 << 16):
                answer += block
        except OSError:
            pass
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/"), answer
    return Told(int(top.split()[1]), body.decode())


def chunked(blocks: Iterable[bytes]) -> Iterable[bytes]:
    """As HTTP sends what it states no length of."""
    for block in blocks:
        yield f"{len(block):x}\r\n".encode() + block + b"\r\n"
    yield b"0\r\n\r\n"
