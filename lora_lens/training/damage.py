"""What a checkpoint lacks that a resumed run reads: lost writes and copies cut short leave files that are there and broken."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import TrainerState
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME

from ..errors import OutputError
from ..files.json_files import read_json
from ..files.peft_names import CONFIG, WEIGHTS
from .budget import STATE_NAME as BUDGET_NAME

_RANDOM = "rng_state.pth"  # rng_state_N.pth where there are several processes
_BROKEN = (OSError, ValueError, TypeError, EOFError, RuntimeError, SafetensorError, zipfile.BadZipFile, zlib.error)  # fmt: skip


class DamagedRunError(OutputError):
    """A run cannot be gone on with: none of its checkpoints is whole, or its best one is not."""


class DamagedCheckpointWarning(UserWarning):
    """A run does not go on from its last checkpoint, because that one is not whole."""


def why_unfinished(checkpoint: Path) -> str | None:
    """Why the Trainer's state, which it writes last, cannot be read, as where it was being written; None where it can."""
    return _why_unread(
        checkpoint / TRAINER_STATE_NAME, lambda file: TrainerState.load_from_json(str(file))
    )


def why_damaged(checkpoint: Path, *, budget: bool) -> str | None:
    """What is broken or missing of the other files; the Trainer would do without some, and fail at others.

    Of several processes' random states those that are there; of the weights the header, and the length that it says.

    Args:
        checkpoint: Its folder.
        budget: Whether the run allocates ranks, and so keeps a budget's state.
    """
    states = [OPTIMIZER_NAME, SCHEDULER_NAME, *([BUDGET_NAME] if budget else [])]
    random = sorted(path.name for path in checkpoint.glob("rng_state*.pth")) or [_RANDOM]
    found = (
        why_no_weights(checkpoint),
        _why_unread(checkpoint / CONFIG, lambda file: read_json(file, ValueError)),
        *(_why_unread(checkpoint / name, _check_archive) for name in (*states, *random)),
    )
    return next((reason for reason in found if reason), None)


def why_no_weights(checkpoint: Path) -> str | None:
    """Why the adapter's weights cannot be read: their header says how long the file is."""
    return _why_unread(checkpoint / WEIGHTS, _check_header)


def _why_unread(file: Path, read: Callable[[Path], Any]) -> str | None:
    if not file.exists():
        return f"{file.name} is missing"
    try:
        read(file)
    except _BROKEN:
        return f"{file.name} is empty, cut short or broken"
    return None


def _check_header(file: Path) -> None:
    with safe_open(str(file), "np"):
        pass


def _check_archive(file: Path) -> None:
    """As torch writes its files: a zip archive, of whose parts it has checksums."""
    with zipfile.ZipFile(file) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile
