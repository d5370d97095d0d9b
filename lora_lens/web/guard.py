"""What every request to the page passes: who asks, what for, how much is sent, and what the browser may fetch."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..errors import LensError
from ..terminal.tracebacks import traceback_wanted
from .calls import ASKED, FILE, Calls
from .places import is_local

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY = (
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; base-uri 'self'; "
    b"frame-ancestors 'self'; form-action 'self'"
)
_SLACK = 1 << 16  # bytes of a form around its files
_CALL = 1 << 20  # bytes of a call, which names uploads
_UPLOAD = "/gradio_api/upload"
_ANSWERS = "/gradio_api/queue/data"
_JOIN, _RUN = "/gradio_api/queue/join", "/gradio_api/run/predict"
# What the page's own script asks for; Gradio has more, some of which asks the network.
_READ = {
    "/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt", "/gradio_api/info", "/gradio_api/app_id",
    "/gradio_api/startup-events", "/gradio_api/theme.css", "/gradio_api/upload_progress", _ANSWERS,
}  # fmt: skip
_READ_WITHIN = ("/assets/", "/static/", "/svelte/", "/pwa_icon", "/gradio_api/heartbeat/")
_TOO_LARGE = "larger than may be uploaded here"
_SESSIONS = 10_000
_DRAINED, _DRAINING = 16 << 20, 2.0  # bytes and seconds


class _TooLargeError(Exception):
    """More bytes came than may."""


class _GoneError(Exception):
    """Whoever asked has gone before all was said."""


class Guard:
    """An ASGI application around another one.

    A browser is told to fetch nothing from elsewhere. Where the page is for this machine alone, a request
    under another host's name is refused, which keeps other pages from reading it by a name that leads
    here, and so is one that another host's page makes, which could upload without reading the answer.
    What is larger than may be uploaded is refused: before it is read where it says so, and otherwise when as many
    bytes have come. What the page does not ask for itself is not there, and a call reaches it in known words alone.
    """

    def __init__(self, app: App, host: str, most_bytes: int, calls: Calls) -> None:
        self._app, self._host, self._most_bytes, self._calls = app, host, most_bytes, calls
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._uploading = 0
        self._most_called = min(_CALL, most_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if b"host" not in headers:  # which Gradio looks for when it answers whoever has an origin
            scope["headers"].append((b"host", b""))
        named = [_host(headers.get(b"host", b""))]
        if b"origin" in headers:  # a browser's word for the page that asks
            named.append(_host(headers[b"origin"].rpartition(b"://")[2]))
        length = headers.get(b"content-length", b"0")
        bytes_said = int(length) if length.isdigit() and len(length) < 20 else 0
        most = self._most_bytes + _SLACK if scope.get("path") == _UPLOAD else self._most_called
        if is_local(self._host) and not all(map(is_local, named)):
            await _refuse(send, 403, "this page is for this machine alone")
        elif bytes_said > most or len(length) >= 20:
            if bytes_said and bytes_said <= most + _DRAINED:
                await _drain(receive)
            await _refuse(send, 413, _TOO_LARGE)
        else:
            await self._route(scope, headers, receive, _with_policy(send))

    async def _route(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        path, method = scope["path"], scope["method"]
        if method == "POST" and path in {_JOIN, _RUN}:
            await self._call(scope, headers, receive, send)
        elif method == "POST" and path == _UPLOAD:
            await self._upload(scope, headers, receive, send)
        elif method not in {"GET", "HEAD"} or not self._is_read(path):
            await _refuse(send, 404, "there is nothing here by that name that can be asked so")
        elif path == _ANSWERS and not self._is_session(scope):
            await _refuse(send, 404, "no such session_hash; expected one that has asked something")
        else:
            await _plainly(self._app, scope, receive, send)

    def _is_read(self, path: str) -> bool:
        if path.startswith(FILE):
            return self._calls.is_upload(path.removeprefix(FILE))
        return path in _READ or path.startswith(_READ_WITHIN)

    def _is_session(self, scope: Scope) -> bool:
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return asked.get("session_hash", [""])[0] in self._sessions

    async def _call(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """A function of the page is called: its JSON is read, and written anew of what was understood."""
        key = "detail" if scope["path"] == _JOIN else "error"
        try:
            body = await _read(receive, self._most_called)
            session, body = self._calls.checked(body, headers.get(b"host", b"").decode("latin-1"))
        except _GoneError:
            return
        except _TooLargeError:
            await _refuse(send, 413, _TOO_LARGE, key)
            return
        except LensError as error:
            await _refuse(send, 400, str(error), key)
            return
        if scope["path"] == _JOIN:
            self._sessions[session] = None
            self._sessions.move_to_end(session)
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        known = {b"content-length", b"content-type", b"transfer-encoding", ASKED.encode()}
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in known]
        kept += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (ASKED.encode(), str(time.monotonic()).encode()),
        ]
        await _plainly(self._app, {**scope, "headers": kept}, _again(body, receive), send, key)

    async def _upload(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Files come, and are counted: Gradio knows a bound for each alone."""
        kind = headers.get(b"content-type", b"").lower()
        if not kind.startswith(b"multipart/form-data") or b"boundary=" not in kind:
            await _refuse(
                send, 400, "that is no upload; expected multipart/form-data with a boundary"
            )
            return
        from starlette.formparsers import MultiPartException

        left, whole = self._most_bytes + _SLACK, False

        async def counted() -> Message:
            nonlocal left, whole
            message = await receive()
            left -= len(message.get("body", b""))
            gone = message["type"] == "http.disconnect" and not whole
            whole = not message.get("more_body", False)
            # Of this error alone Gradio deletes what it has written already.
            if left < 0 or gone:
                raise MultiPartException(_TOO_LARGE if left < 0 else "ended in its midst")
            return message

        async def sent(message: Message) -> None:
            if left >= 0:
                await send(message)

        self._uploading += 1
        try:
            await _plainly(self._app, scope, counted, sent)
        finally:
            self._uploading -= 1
            if not self._uploading:
                self._calls.forget_halves()
        if left < 0:
            if not whole:
                await _drain(receive)
            await _refuse(send, 413, _TOO_LARGE)


_WORDS = {
    400: "that cannot be read; expected what the page itself sends",
    404: "there is nothing here by that name",
    413: _TOO_LARGE,
    422: "that cannot be read; expected what the page itself sends",
    503: "too many ask at once; try again later",
}


async def _plainly(
    app: App, scope: Scope, receive: Receive, send: Send, key: str | None = None
) -> None:
    """Let another application answer, and where that is an error say it in one line of our own."""
    started, failed = False, 0

    async def sent(message: Message) -> None:
        nonlocal started, failed
        if message["type"] == "http.response.start":
            # Of a function's own error, which is for the page to show, 500 is Gradio's sign.
            if message["status"] >= 400 and not (key == "error" and message["status"] == 500):
                failed = message["status"]
            else:
                started = True
        if not failed:
            await send(message)

    try:
        await app(scope, receive, sent)
    except Exception:
        if traceback_wanted():
            traceback.print_exc()
        if started:  # of a stream there is an end, and no other word
            with suppress(Exception):
                await send({"type": "http.response.body", "body": b""})
        else:
            failed = failed or 500
    if failed:
        await _refuse(send, failed, _WORDS.get(failed, "that could not be answered"), key)


async def _read(receive: Receive, most: int) -> bytes:
    """A body, counted as it comes: a length is stated or not, and true or not."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > most:
            if more:
                await _drain(receive)
            raise _TooLargeError
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The same body for who reads it next."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received


async def _drain(receive: Receive) -> None:
    """Let go of a little more: who is still sending hears no answer when the connection is closed on it."""
    left = _DRAINED
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAINING):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _host(header: bytes) -> str:
    """Of a host and its port, such as ``[::1]:7860``, or of a host alone."""
    try:
        return urlsplit(f"//{header.decode('latin-1')}").hostname or ""
    except ValueError:  # brackets that do not close, or that hold no address
        return ""


def _with_policy(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"content-security-policy", _POLICY),
                (b"referrer-policy", b"no-referrer"),
            ]
        await send(message)

    return sent


async def _refuse(send: Send, status: int, why: str, key: str | None = None) -> None:
    """In one line, which is JSON with that key where a script waits for it."""
    kind, body = (
        (b"text/plain; charset=utf-8", why)
        if key is None
        else (b"application/json", json.dumps({key: why}, ensure_ascii=False))
    )
    encoded = body.encode(errors="replace")
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(encoded)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})
