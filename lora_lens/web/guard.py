"""What every request to the page passes: who asks, how much is sent, and what the browser may fetch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from .places import is_local

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_POLICY = (
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; base-uri 'self'; "
    b"frame-ancestors 'self'; form-action 'self'"
)
_SLACK = 1 << 20  # bytes of a form around its files


class Guard:
    """An ASGI application around another one.

    A browser is told to fetch nothing from elsewhere. Where the page is for this machine alone, a request
    under another host's name is refused, which keeps other pages from reading it by a name that leads
    here, and so is one that another host's page makes, which could upload without reading the answer.
    What says that it is larger than may be uploaded is refused before it is read.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], host: str, most_bytes: int
    ) -> None:
        self._app, self._host, self._most_bytes = app, host, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        named = [_host(headers.get(b"host", b""))]
        if b"origin" in headers:  # a browser's word for the page that asks
            named.append(_host(headers[b"origin"].rpartition(b"://")[2]))
        length = headers.get(b"content-length", b"0")
        if is_local(self._host) and not all(map(is_local, named)):
            await _refuse(send, 403, b"this page is for this machine alone")
        elif length.isdigit() and int(length) > self._most_bytes + _SLACK:
            await _refuse(send, 413, b"larger than may be uploaded here")
        else:
            await self._app(scope, receive, _with_policy(send))


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


async def _refuse(send: Send, status: int, why: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why})
