"""A run's folder is one process's for as long as the run goes; a second one is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from ..ledger import writing
from ..locked import alone_in, held
from ..staging import PREFIX, none_empty

# Not the folder itself, which everything that is written into it locks for a moment. Of a run that was
# killed it is left, and removed as what is staged is, by whoever writes there next.
_MARK = f"{PREFIX}run"


def is_first_process() -> bool:
    """Whether this is the one of torchrun's or accelerate's that writes, before they have met.

    A RANK alone, as of some other launcher, is none of theirs: they train in several processes where LOCAL_RANK is set, too.
    """
    return "LOCAL_RANK" not in os.environ or os.environ.get("RANK", "0") == "0"


class BusyError(OutputError):
    """Another run is in that folder."""


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """The block in which no other run is in `out`; of several processes of one run the first sees to it.

    It alone is refused; torchrun and accelerate end the others with it.

    Args:
        out: Made if it is not there, and removed again where nothing is written into it.

    Raises:
        BusyError: Another run is there.
        OutputError: `out` cannot be written.
        RefusedOutputError: It is what this command reads, or lies in that.
    """
    if not is_first_process():
        yield
        return
    with writing(out, own=True), none_empty(out), ExitStack() as stack:
        try:
            _enter(out, stack)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(
                f"cannot write to {out}: {error.strerror}; choose another --out"
            ) from None
        yield


def _enter(out: Path, stack: ExitStack) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with alone_in(out):
        mark = out / _MARK
        mark.mkdir(exist_ok=True)
        if not stack.enter_context(held(mark)):
            raise BusyError(
                f"another process is training in {out}; wait for it or choose another --out"
            )
        stack.callback(_leave, out, mark)


def _leave(out: Path, mark: Path) -> None:
    with suppress(OutputError, OSError), alone_in(out):
        mark.rmdir()
