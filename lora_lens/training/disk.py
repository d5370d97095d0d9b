"""What libraries write while a run goes on: a disk that is full or fails is an error of ours, though each has its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from transformers.integrations import TensorBoardCallback

from ..errors import OutputError
from ..files.saving import told_by_the_system
from ..printable import first_line

# Of a disk that is full or fails; which of them comes is a matter of where in a file the disk refused.
_TORCHS = re.compile("inline_container|PytorchStreamWriter|iostream error")
_PROBE = 1 << 16  # bytes


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """The block in which a library writes to `out`, and nothing else that may fail by a disk is done.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with told_by_the_system(out):
            yield
    except OutputError:
        raise
    except (OSError, RuntimeError) as error:
        if not isinstance(error, OSError) and not _TORCHS.search(str(error)):
            raise
        # A short write is an OSError of words alone, and torch does not say why it failed.
        reason = getattr(error, "strerror", None) or _why_refused(out) or first_line(error)
        raise OutputError(
            f"cannot write to {out}: {reason}; make room and go on, a run with --resume and a search as it was begun, or choose another --out"
        ) from error


def _why_refused(out: Path) -> str | None:
    """What the system says to some more bytes there, beyond where the longest file ends; None where it takes them."""
    try:
        longest = max((file.stat().st_size for file in out.rglob("*") if file.is_file()), default=0)
        with TemporaryFile(dir=out) as probe:
            probe.seek(longest)
            probe.write(bytes(_PROBE))
    except OSError as error:
        return error.strerror
    return None


class Logs(TensorBoardCallback):
    """TensorBoard's logs of a run, in a folder.

    Args:
        folder: Made if it is not there.
        after: Steps that the run has done. What a killed run has logged of later ones, in a folder that is there, TensorBoard
            then leaves out: it is logged anew.

    Raises:
        OutputError: It cannot be written; here, and wherever something is logged.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        self._folder = folder
        purged = after + 1 if folder.is_dir() else None
        with writing(folder):
            super().__init__(SummaryWriter(str(folder), purge_step=purged))

    def on_train_begin(self, *given: Any, **named: Any) -> None:
        """As transformers'."""
        with writing(self._folder):
            super().on_train_begin(*given, **named)

    def on_log(self, *given: Any, **named: Any) -> None:
        """As transformers'."""
        with writing(self._folder):
            super().on_log(*given, **named)

    def on_train_end(self, *given: Any, **named: Any) -> None:
        """As transformers'."""
        with writing(self._folder):
            super().on_train_end(*given, **named)
