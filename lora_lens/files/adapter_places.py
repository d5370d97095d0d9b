"""Where an adapter lies: a folder, one file, the only one in a folder, or a hub id."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import AdapterError
from ..printable import is_printable
from ..staging import end_moves
from .adapters_in import (
    ALONE,
    GGUF,
    PART,
    Place,
    adapters_below,
    is_adapter,
    is_part,
    lone_files,
)
from .hub_adapters import hub_id, is_told_of
from .hub_cache import snapshot_in
from .hub_files import named_instead
from .local_files import LocalFiles
from .locate import user_path
from .names import natural
from .not_files import not_a_file
from .of_others import told, told_below
from .peft_names import CONFIG
from .whole_models import told_as_whole

_MOST_NAMED = 6
# Hidden, and what trainers keep beside adapters.
_NONE = (".", "optimizer", "scheduler", "scaler", "rng_state", "training_args")


def find_adapter(path: str | Path, stems: Sequence[str]) -> Place:
    """The place of the adapter that `path` means; see `load_adapter` for what it can be.

    Args:
        path: As typed.
        stems: What files with an adapter's tensors are called, without their endings.

    Raises:
        AdapterError: There is none, or there are several; the message lists them.
    """
    place = _place(path, stems)
    if not is_printable(place.source):
        raise AdapterError(
            f"the path {place.source!r} has characters that cannot be printed; rename the folder"
        )
    return place


def _place(path: str | Path, stems: Sequence[str]) -> Place:
    here = snapshot_in(user_path(path))
    if os.path.isdir(here):  # noqa: PTH112  (a name that is too long is no folder, not an error)
        return _in_folder(here, stems)
    end_moves(here.parent)  # a file's folder is one thing with it
    if os.path.isfile(here):  # noqa: PTH113
        return _of_file(here, stems)
    if what := not_a_file(here):
        raise AdapterError(
            f"{here} is {what}; expected a folder with {CONFIG}, an adapter's file, or a hub id"
        )
    hub = hub_id(path)
    if hub is None:
        raise AdapterError(
            f"{here} is not a folder; expected one with {CONFIG}, an adapter's file, or a hub id{named_instead(here)}"
        )
    within, _, file = hub.within.rpartition("/")
    if file.endswith(ALONE) and not is_part(file):
        return Place(hub.name, replace(hub, within=within), file)
    return Place(hub.name, hub)


def _in_folder(folder: Path, stems: Sequence[str]) -> Place:
    if is_adapter(folder, stems):
        return Place(str(folder), LocalFiles(folder, within=True))
    found = list(adapters_below(folder, stems))
    if len(found) == 1:
        return Place(str(found[0]), LocalFiles(found[0], within=True))
    alone = lone_files(folder) or lone_files(folder, GGUF) if not found else []
    if len(alone) == 1:
        return Place(str(alone[0]), LocalFiles(folder, within=True), alone[0].name)
    if alone:
        of_many = (
            ""
            if alone[0].suffix == GGUF
            else ", or ask about all that are adapters by `lora-lens matrix`"
        )
        raise AdapterError(
            f"{folder} holds {len(alone)} files of tensors, {_some([file.name for file in alone])}: name one of "
            f"them{of_many}"
        )
    if not found:
        if whole := told_as_whole(folder):
            raise AdapterError(f"{folder} {whole}")
        raise AdapterError(f"{folder} is no adapter: it holds no {CONFIG}{told_instead(folder)}")
    names = [str(path.relative_to(folder)) for path in found]
    run = all(path.name.startswith("checkpoint-") for path in found)
    kind, command = ("checkpoints", "dynamics") if run else ("adapters", "matrix")
    raise AdapterError(
        f"{folder} holds {len(names)} {kind}, {_some(names)}: name one of "
        f"them, or ask about all by `lora-lens {command}`"
    )


def told_instead(folder: Path) -> str:
    """What a folder without an adapter's own file of tensors holds in its place, as the rest of a sentence; empty where nothing tells."""
    return told_below(folder) or _pickled(folder) or _no_file(folder)


def _pickled(folder: Path) -> str:
    """Files that PyTorch may have saved tensors in, of which none is opened unasked, as the rest of a sentence; empty where none is."""
    endings = tuple(ending for ending in ALONE if ending not in (".safetensors", GGUF))
    try:
        names = sorted((path.name for path in folder.iterdir() if path.is_file()), key=natural)
    except OSError:  # not ours to look into
        return ""
    found = [name for name in names if name.endswith(endings) and not name.startswith(_NONE)]
    return f"; if one is in {_some(found)}, name that file" if found else ""


def _no_file(folder: Path) -> str:
    """The first thing by the name of a file of tensors that is none, as the rest of a sentence; empty where there is none."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:  # not ours to look into
        return ""
    found = ((path.name, not_a_file(path)) for path in paths if path.name.endswith(ALONE))
    name, what = next(((name, what) for name, what in found if what), ("", ""))
    return f", but {name}, which is {what}" if name else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def _of_file(file: Path, stems: Sequence[str]) -> Place:
    if is_told_of(file.name):
        return _in_folder(file.parent, stems)
    if file.suffix not in ALONE:
        if what := told(file.name):
            raise AdapterError(f"{file} is {what}")
        raise AdapterError(
            f"{file} is no adapter: expected a folder with {CONFIG}, or a file of tensors: {', '.join(ALONE)}"
        )
    if is_part(file.name):
        raise AdapterError(
            f"{file} is one of several parts, which are read together: name their folder, in which an index "
            f"({PART.sub('', file.name)}{file.suffix}.index.json) says which holds what"
        )
    return Place(str(file), LocalFiles(file.parent, file.name, within=True), file.name)
