"""How a command fails: one line on standard error and exit 1; 2 where it would have written over what it reads; 130 when it was interrupted, 143 at SIGTERM, 129 at SIGHUP."""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import LensError, RefusedOutputError
from ..ledger import one_command, result_written
from ..printable import one_line
from .signals import Terminated
from .tracebacks import VARIABLE, traceback_wanted

# Typer's own ways out, which it handles itself: usage errors, and leaving on purpose.
_CLICK_EXCEPTION: type[BaseException] = typer.BadParameter.__mro__[2]
_TYPERS_OWN: tuple[type[BaseException], ...] = (typer.Exit, typer.Abort, _CLICK_EXCEPTION)
_PLAIN = (
    ("Value error, ", ""),
    ("Input should be greater than or equal to ", "expected at least "),
    ("Input should be less than or equal to ", "expected at most "),
    ("Input should be greater than ", "expected more than "),
    ("Input should be less than ", "expected less than "),
    ("Input should be a valid integer.*", "expected a whole number"),
    ("Input should be a valid number.*", "expected a number"),
    ("Input should be ", "expected "),
)
QUIET = ("--quiet", "-q")
_GOES_ON = {
    "train": ", and --resume goes on from the last checkpoint",
    "search": ", and the same command goes on",
    "reproduce": ", and the same command goes on",
    "survey": ", and the same command goes on",
}
_FULL = "No space left on device"
_NOWHERE = "No usable temporary directory found"  # of Python's tempfile, with those that it tried
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class LensGroup(TyperGroup):
    """Turns every error into one line and exit 1; ``--quiet`` may stand before the command or behind it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Options of the group are looked for up to the command alone, so what is behind it is moved."""
        end = args.index("--") if "--" in args else len(args)
        moved = [one for one in args[:end] if one in QUIET]
        rest = [one for one in args[:end] if one not in QUIET]
        return super().parse_args(ctx, [*moved, *rest, *args[end:]])

    def make_context(self, *args: Any, **more: Any) -> Any:
        """What is printed before there is a command (the version, help) may have no room either."""
        try:
            return super().make_context(*args, **more)
        except BrokenPipeError:
            raise  # which is Typer's to end
        except OSError as error:
            sys.exit(_said(_unexpected(error)))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; every way it fails ends here."""
        try:
            _stand_somewhere()
            with one_command():
                return super().invoke(ctx)
        except _TYPERS_OWN as error:
            _in_plain_words(error)
            raise
        except LensError as error:
            _fail(str(error), code=2 if isinstance(error, RefusedOutputError) else 1)
        except KeyboardInterrupt as error:
            on = str(error) or _GOES_ON.get(str(ctx.invoked_subcommand), "")
            so = "nothing is half-written"
            if not str(error) and result_written():
                so, on = result_written(), ""
            by, code = (
                ("ended", error.code) if isinstance(error, Terminated) else ("interrupted", 130)
            )
            _fail(f"{by}; {so}{on}", code=code)
        except BrokenPipeError:
            # The reader has gone; keep Python from complaining about it once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if result_written():
                _said(f"nobody reads standard output any more; {result_written()}")
            raise typer.Exit(1) from None
        except Exception as error:
            if traceback_wanted():
                raise
            _fail("; ".join(filter(None, (_unexpected(error), result_written()))))


def _stand_somewhere() -> None:
    """Raise LensError where the working directory is gone, as of a job whose folder was removed: MKL ends a process there."""
    try:
        Path.cwd()
    except OSError as error:
        raise LensError(
            f"the working directory cannot be found ({error.strerror}); go to one that is there"
        ) from None


def _in_plain_words(error: BaseException) -> None:
    """Typer checks options by pydantic, and says it in pydantic's words: these are rewritten in place."""
    said = getattr(error, "message", None)
    if isinstance(said, str):
        for theirs, plain in _PLAIN:
            said = re.sub(theirs, plain, said)
        vars(error)["message"] = said


def _unexpected(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY):
        return "out of memory; try fewer --draws, or --device cpu"
    if _FULL in text and not isinstance(error, OSError):  # as safetensors and tokenizers raise it
        return f"cannot write: {_FULL}"
    if isinstance(error, OSError) and error.errno == errno.EBADF and not error.filename:
        return "cannot write: standard output is closed"
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    return (
        f"unexpected {text[:300]} (a traceback: {VARIABLE}=1 in the environment; please report it)"
    )


def _fail(message: str, code: int = 1) -> None:
    raise typer.Exit(_said(message, code))


def _said(message: str, code: int = 1) -> int:
    if _NOWHERE in message:
        message += "; set TMPDIR to a folder that can be written to"
    with suppress(OSError):  # nobody reads it, as where the terminal has gone
        typer.echo(f"lora-lens: {one_line(message)}", err=True)
    return code
