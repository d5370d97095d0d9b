"""One analysis at a time, in a process of its own, which ends when it is no longer wanted or takes too long."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from .answering import Answer, Asked, no_room
from .places import Places
from .uploads import forget
from .worker import TOLD

CANCELLED = "cancelled; nothing of it is kept"
_LOOK = 0.1  # seconds
_MOST_WAITING = 20
_MOST_CANCELS = 1000


class _Ticket:
    """A visitor's place in the line."""

    def __init__(self, visitor: str) -> None:
        self.visitor, self.cancelled = visitor, False


class Analyses:
    """The line of who asks, and the process that answers the first of them.

    An analysis uses every core and collects warnings for its process, so there is one at a time. No thread can be ended in
    the midst of a library's code, but a process can. It stays for the next analysis, which then has its libraries loaded.
    All but `close` runs in one thread, of the server's loop.

    Args:
        places: That may be named.
        most_bytes: That an upload may have, unpacked.
        root: Where files of an analysis are kept until it is answered.
        seconds: That one may take.
    """

    def __init__(self, places: Places, most_bytes: int, root: Path, seconds: float) -> None:
        self.seconds = seconds
        self._places, self._most_bytes, self._root = places, most_bytes, root
        self._line: list[_Ticket] = []
        self._cancels: OrderedDict[str, float] = OrderedDict()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    async def answer(self, visitor: str, asked: Asked, since: float | None = None) -> Answer:
        """The answer, when it is this one's turn; an error where it was cancelled before, or took too long.

        Args:
            visitor: By whom it may be cancelled.
            asked: What is asked.
            since: When, by `time.monotonic`: it may have been cancelled since, before it came here. By default now.
        """
        if since is not None and self._cancels.get(visitor, since) > since:
            return Answer(error=CANCELLED)
        if len(self._line) > _MOST_WAITING:
            return Answer(error=f"{_MOST_WAITING} others wait here already; try again later")
        ticket = _Ticket(visitor)
        self._line.append(ticket)
        try:
            while self._line[0] is not ticket:
                if ticket.cancelled or self._closed:
                    return Answer(error=CANCELLED)
                await asyncio.sleep(_LOOK)
            return await self._analysed(ticket, asked)
        finally:
            self._line.remove(ticket)

    def cancel(self, visitor: str) -> None:
        """End what a visitor has asked for, begun or not."""
        for ticket in self._line:
            ticket.cancelled |= ticket.visitor == visitor
        self._cancels[visitor] = time.monotonic()
        self._cancels.move_to_end(visitor)
        if len(self._cancels) > _MOST_CANCELS:
            self._cancels.popitem(last=False)

    def close(self) -> None:
        """End the process, and start none any more."""
        self._closed = True
        self._end()

    async def _analysed(self, ticket: _Ticket, asked: Asked) -> Answer:
        try:
            folder = Path(tempfile.mkdtemp(prefix="answer-", dir=self._root))
        except OSError as error:
            return no_room(error)
        told = None
        try:
            self._begin(asked, folder)
            ends = time.monotonic() + self.seconds
            while told is None:
                ended = self._process is None or self._process.poll() is not None
                if (folder / TOLD).exists():
                    told = Answer(**json.loads((folder / TOLD).read_text("utf-8")))
                elif ticket.cancelled or self._closed:
                    return Answer(error=CANCELLED)
                elif ended:
                    return Answer(
                        error="the analysis ended without an answer, as where memory runs out; try a smaller adapter, "
                        "or one module"
                    )
                elif time.monotonic() > ends:
                    return Answer(
                        error=f"stopped after {minutes(self.seconds)}, which is the limit of this page (--minutes); name one "
                        f"module, or use `lora-lens report`"
                    )
                else:
                    await asyncio.sleep(_LOOK)
            return told
        except (
            OSError
        ) as error:  # no process can be started, or it ended before it was told what to do
            return Answer(error=f"the analysis could not be started: {error.strerror}; try again")
        finally:
            if told is None:
                self._end()
            forget(folder)

    def _begin(self, asked: Asked, folder: Path) -> None:
        if self._process is None or self._process.poll() is not None:
            self._end()
            if not self._closed:
                self._process = _started()
        if self._process is not None and self._process.stdin is not None:
            pickle.dump((asked, self._places, self._most_bytes, folder), self._process.stdin)
            self._process.stdin.flush()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        process.wait()


def minutes(seconds: float) -> str:
    """A time limit in words.

    Example:
        >>> minutes(60), minutes(1800), minutes(90)
        ('1 minute', '30 minutes', '1.5 minutes')
    """
    return f"{seconds / 60:g} minute{'' if seconds == 60 else 's'}"


def _started() -> subprocess.Popen[bytes]:
    """A process that hears neither a terminal's Ctrl-C nor its end, but that of this one."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lora_lens.web.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
