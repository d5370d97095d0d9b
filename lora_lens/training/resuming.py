"""What an unfinished run leaves behind, and whether a run may go on from it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from ..errors import OutputError, SettingsError
from ..files.peft_names import CONFIG
from ..files.run_names import CHECKPOINTS, UNFINISHED
from ..staging import staged
from .alone import alone, is_first_process
from .as_asked import asked_of_run, begun_with, deciding, first_difference
from .damage import (
    DamagedCheckpointWarning,
    DamagedRunError,
    why_damaged,
    why_no_weights,
    why_unfinished,
)
from .methods import METHODS
from .record import FORMAT, as_record, read_record, record_of_run, versions
from .settings import RunSettings

_VERSIONS = "versions"


class OtherVersionsWarning(UserWarning):
    """A run goes on under other versions than it was begun under."""


def last_checkpoint(
    out: Path, settings: RunSettings, checksums: Mapping[str, str], *, resume: bool
) -> Path | None:
    """The last whole checkpoint in `out`, or None where there is none.

    The Trainer writes ``trainer_state.json`` last, so a folder in which it is missing or cut short was
    being written when the run was killed; the checkpoint before it is still there. Others may have lost
    what was written into them. A checkpoint that is passed over is warned of.

    Raises:
        OutputError: `out` holds a finished run, or an unfinished one and `resume` was not asked for.
        DamagedRunError: All its checkpoints are damaged.
        SettingsError: The run there was begun with other settings or other data.
        RecordError: What says how it was begun is broken.
    """
    if (out / CONFIG).exists():
        raise OutputError(f"{out} already holds an adapter; choose another --out")
    unfinished = {folder: why_unfinished(folder) for folder in _from_last(out / CHECKPOINTS)}
    if None in unfinished.values():
        if not resume:
            raise OutputError(
                f"{out} holds an unfinished run; go on with --resume or choose another --out"
            )
        _check_same(out, settings, checksums)
    passed: dict[str, str] = {}
    for folder, cut in unfinished.items():
        reason = cut or why_damaged(folder, budget=METHODS[settings.method].allocates)
        if reason is None:
            _warn_of(passed, out, f"goes on from {folder.name}")
            return folder
        passed[folder.name] = reason
    if None in unfinished.values():
        raise DamagedRunError(
            f"the unfinished run in {out} has no whole checkpoint ({_listed(passed)}); "
            f"remove {out / CHECKPOINTS} to begin again"
        )
    _warn_of(passed, out, "begins anew")
    return None


def steps_of(checkpoint: Path | None) -> int:
    """How many steps a run has done that goes on from a checkpoint; 0 of one that begins.

    Example:
        >>> steps_of(Path("checkpoints/checkpoint-12")), steps_of(None)
        (12, 0)
    """
    return 0 if checkpoint is None else int(checkpoint.name.split("-")[1])


def _from_last(checkpoints: Path) -> list[Path]:
    """Folders by falling step; without that of step 0, which `dynamics` alone reads."""
    steps = {folder: folder.name.split("-")[1] for folder in checkpoints.glob("checkpoint-*")}
    numbered = {folder: int(step) for folder, step in steps.items() if step.isdecimal()}
    return sorted(filter(numbered.get, numbered), key=lambda one: numbered[one], reverse=True)


def drop_later(out: Path, checkpoint: Path | None) -> None:
    """Remove the checkpoints that were passed over: what is written there anew must not lie beside what was there."""
    for folder in _from_last(out / CHECKPOINTS):
        if folder == checkpoint:
            return
        shutil.rmtree(folder, ignore_errors=True)


def _warn_of(passed: Mapping[str, str], out: Path, instead: str) -> None:
    if passed and is_first_process():
        message = f"the run in {out} {instead}: {_listed(passed)}"
        warnings.warn(message, DamagedCheckpointWarning, stacklevel=4)


def _listed(passed: Mapping[str, str]) -> str:
    return ", ".join(f"in {name} {reason}" for name, reason in passed.items())


def ended(
    out: Path, settings: RunSettings, checksums: Mapping[str, str], *, test: bool, keep: bool
) -> dict[str, Any] | None:
    """The record of a run that has ended in `out` and was made so, tidied up after; None where there is none.

    It may have been killed when its adapter was whole, and before its checkpoints were removed.

    Args:
        out: Folder of the run.
        settings: That are asked for.
        checksums: Of the data.
        test: Whether the test rows are to have been scored.
        keep: Whether to keep the checkpoints.
    """
    record = record_of_run(out, settings, checksums)
    if record is None or (test and "test_score" not in record):
        return None
    tidy(out, keep=keep)
    return record


def tidy(out: Path, *, keep: bool) -> None:
    """End what a finished run has left because it was killed: its checkpoints, unless they are kept, and its state."""
    if (out / UNFINISHED).exists() and is_first_process():
        with alone(out):
            if not keep:
                shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
            end(out)


def begin(
    out: Path, settings: RunSettings, checksums: Mapping[str, str], under: Mapping[str, str]
) -> None:
    """Write down how the run is begun, and under which versions, for the day when it is resumed."""
    begun = {"format": FORMAT, _VERSIONS: dict(under)} | begun_with(settings, checksums)
    with staged(out) as folder:
        (folder / UNFINISHED).write_text(as_record(begun), encoding="utf-8")


def begun_under(out: Path) -> dict[str, str]:
    """The versions under which the unfinished run in `out` was begun; warned of where they are others now.

    Those of now where it does not say, as runs from before it was written down.
    """
    now = versions()
    said = read_record(out / UNFINISHED).get(_VERSIONS) if (out / UNFINISHED).exists() else None
    if not isinstance(said, Mapping):
        return now
    others = [name for name in said if said[name] != now.get(name)]
    if others and is_first_process():
        then, today = (
            ", ".join(f"{name} {which.get(name)}" for name in others) for which in (said, now)
        )
        message = f"the run in {out} was begun under {then} and goes on under {today}: what it gives is of neither alone"
        warnings.warn(message, OtherVersionsWarning, stacklevel=4)
    return dict(said)


def end(out: Path) -> None:
    """Remove what only a resumed run would have needed, but for the checkpoints, and after them."""
    (out / UNFINISHED).unlink(missing_ok=True)


def state_of(checkpoint: Path) -> TrainerState:
    """The Trainer's state in a checkpoint: its steps, scores and best checkpoint so far."""
    return TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))


def find_best(state: TrainerState, checkpoints: Path) -> None:
    """Put the best checkpoint's path into a Trainer's state, by its step.

    The Trainer notes the path as it was, and would keep the last weights instead, without a word,
    where the run's folder was moved or is named from another working directory.

    Raises:
        DamagedRunError: It is not there, or damaged.
    """
    if not state.best_global_step:
        return
    best = checkpoints / f"checkpoint-{state.best_global_step}"
    if not best.is_dir():
        raise DamagedRunError(
            f"the unfinished run's best checkpoint, {best}, is gone; choose another --out"
        )
    damaged = why_no_weights(best)
    if damaged is not None:
        raise DamagedRunError(
            f"the unfinished run's best checkpoint, {best}, is damaged: {damaged}; choose another --out"
        )
    state.best_model_checkpoint = str(best)


def _check_same(out: Path, settings: RunSettings, checksums: Mapping[str, str]) -> None:
    if not (out / UNFINISHED).exists():
        return
    begun = read_record(out / UNFINISHED)
    for no_setting in ("format", _VERSIONS):
        begun.pop(no_setting, None)
    if other := first_difference(deciding(begun), asked_of_run(settings, checksums)):
        raise SettingsError(
            f"the run in {out} was begun with {other.name} = {other.made!r}, now it is {other.asked!r}; "
            f"use the same, or choose another --out"
        )
