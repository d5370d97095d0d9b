"""What ends a command from outside: Ctrl-C, SIGTERM and SIGHUP, each an exception, and each with an exit code of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import start_new_thread
from collections.abc import Callable, Mapping
from threading import main_thread
from types import FrameType

from ..staging import ENDING

_IMPORTS = "<frozen importlib._bootstrap>"  # where Python's own import is
_SOON = 0.05  # seconds
_heeded: set[int] = set()
_told: list[Callable[[sys.UnraisableHookArgs], object]] = []  # of exceptions that nothing can catch


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: nothing is left half-written."""

    code = 143


class HungUp(Terminated):
    """SIGHUP, with which a terminal or its connection ends."""

    code = 129


_ENDED: Mapping[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    getattr(signal, "SIGHUP", -1): HungUp,
}


def heed_signals() -> None:
    """From here on, in this process and not in those that it begins, Ctrl-C, SIGTERM and SIGHUP end a command in one line.

    Not in the middle of an import: some libraries catch whatever is raised there, and go on or are left half loaded. Nor where
    Python itself goes on whatever is raised, in a `__del__` or a weak reference's callback: there they come again, too.
    What was ignored is left alone: Ctrl-C in a shell's background, SIGHUP under nohup.
    """
    own = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own and number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        elif _is_deaf(frame):
            _signal_soon(number)
        else:
            raise _ENDED[number]

    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end)
            _heeded.add(number)
    if not _told:
        _told.append(sys.unraisablehook)
        sys.unraisablehook = _unraisable


def leave_signals() -> None:
    """From here on they end the process without a word: raised in what Python calls at its end, they were a traceback."""
    while _heeded:
        signal.signal(_heeded.pop(), signal.SIG_DFL)
    if _told:
        sys.unraisablehook = _told.pop()


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    """Of a signal that came in a `__del__` or the like, out of which Python raises nothing: it comes again soon."""
    for number, kind in _ENDED.items():
        if what.exc_type is kind:
            _signal_soon(number)
            return
    (_told or [sys.__unraisablehook__])[0](what)


def _signal_soon(number: int) -> None:
    # Not a `threading.Thread`, whose start waits, and may be what the signal came in.
    start_new_thread(_signal_main, (number,))


def _signal_main(number: int) -> None:
    """Of another thread, a little later: what the main one waits for is interrupted, where the system can."""
    time.sleep(_SOON)
    kill, main = getattr(signal, "pthread_kill", None), main_thread().ident
    if kill is None or main is None:
        signal.raise_signal(number)
    else:
        kill(main, number)


def _is_deaf(frame: FrameType | None) -> bool:
    """Whether what is raised there is not heard: in an import, and where it is looked at what was not."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS or frame.f_code is _unraisable.__code__:
            return True
        frame = frame.f_back
    return False
