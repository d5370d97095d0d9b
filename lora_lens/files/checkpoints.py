"""A training run's checkpoint folders, in the order of their steps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..errors import AdapterError, FileFormatError
from .locate import read_json
from .peft_names import CONFIG
from .tensors import LocalFiles, open_tensors

_NUMBERED = re.compile(r"checkpoint-(\d+)")
END = "end"


class RunPoint(NamedTuple):
    """One adapter of a run: what it is called, its optimiser step (None for the run's own), its folder."""

    name: str
    step: int | None
    folder: Path


class RunPoints(NamedTuple):
    """The adapters of a run from first to last, and what was passed over."""

    points: tuple[RunPoint, ...]
    notes: tuple[str, ...]


def run_points(run: Path) -> RunPoints:
    """The checkpoints in ``RUN/`` and ``RUN/checkpoints/`` by step *number*, then RUN's own adapter.

    Trainers write a checkpoint's files one after the other, so an interrupted run leaves folders
    without weights, or with half a file: they are passed over with a note.

    Raises:
        AdapterError: `run` is no folder, holds no whole checkpoint, or one step twice.
    """
    if not run.is_dir():
        raise AdapterError(f"{run} is not a folder; expected a run with checkpoint-* folders")
    notes: list[str] = []
    found: dict[int, RunPoint] = {}
    for folder in sorted([*run.glob("checkpoint-*"), *run.glob("checkpoints/checkpoint-*")]):
        match = _NUMBERED.fullmatch(folder.name)
        if not folder.is_dir():
            continue
        if match is None:
            notes.append(f"{folder.name} is passed over: its name does not end in a step number")
        elif reason := why_not_whole(folder):
            notes.append(f"{folder.name} is passed over: {reason}")
        elif (step := int(match[1])) in found:
            raise AdapterError(
                f"{run} holds step {step} twice, in {found[step].folder} and {folder}; remove one"
            )
        else:
            found[step] = RunPoint(folder.name, step, folder)
    if not found:
        raise AdapterError(
            f"{run} holds no checkpoint-N folder with an adapter, itself or in checkpoints/"
            f"{f' ({notes[0]})' if notes else ''}; the checkpoints must be kept while training"
        )
    points = [found[step] for step in sorted(found)]
    reason = why_not_whole(run)
    if reason is None:
        points.append(RunPoint(END, None, run))
    elif (run / CONFIG).exists():
        notes.append(f"the last checkpoint is the end point, for of the run itself {reason}")
    return RunPoints(tuple(points), tuple(notes))


def why_not_whole(folder: Path) -> str | None:
    """What an adapter's folder lacks, as half-written ones do; None where it is whole."""
    find = LocalFiles(folder, within=True)
    try:
        config = find(CONFIG)
        if config is None:
            return f"{CONFIG} is missing"
        read_json(config, AdapterError)
        tensors = open_tensors(str(folder), find, ("adapter_model",))
        if tensors is None:
            return "adapter_model.safetensors (or .bin) is missing"
        lacking = sorted(name for name in set(tensors.files.values()) if not tensors.find(name))
    except (AdapterError, FileFormatError) as error:
        return str(error)
    return f"{lacking[0]} is missing" if lacking else None
