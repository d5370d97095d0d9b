"""Reading GLUE: from a folder in its own TSV layout, or from ``nyu-mll/glue`` on the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...files.checksums import sha256
from .hub import HubRows, hub_rows, load_hub
from .rows import (
    Example,
    Splits,
    class_index,
    finite_score,
    hold_out,
)
from .sheet import open_sheet
from .tasks import HUB_ID, TASKS, GlueTask

# GLUE's QQP has a handful in 364 thousand; more are a damaged file.
_MOST_BROKEN = 1e-3
_TOO_FEW = (
    "GLUE's own has hundreds or more; rows of your own go in by --train, --test and --development"
)
_Parts = tuple[list[Example], list[Example], dict[str, str], tuple[str, ...]]


def load_task(name: str, data: Path | None) -> Splits:
    """A GLUE task's rows in the paper's split, from a folder or, if None, from the hub.

    A few rows of GLUE's own QQP are broken in two by a line end in a question. Their halves, which
    have too few cells, are left out and listed in ``Splits.left_out``, as the hub's copy and other
    loaders leave them out: 363,846 training rows are left. In every other file a short row is an error.

    Raises:
        DataError: The task is unknown, a file is missing or has too few rows, or a row does not fit; names the row.
    """
    if name not in TASKS:
        raise DataError(f"no task {name!r}; there are: {', '.join(TASKS)}")
    task = TASKS[name]
    train, test, checksums, left_out = _from_hub(task) if data is None else _from_folder(task, data)
    source = f"{HUB_ID}:{name}#train" if data is None else str(data / task.folder / "train.tsv")
    parts = hold_out(train, source, _TOO_FEW)
    return Splits(*parts, test, checksums, left_out)


def _from_folder(task: GlueTask, data: Path) -> _Parts:
    left_out: list[str] = []
    paths = [data / task.folder / f"{part}.tsv" for part in ("train", *task.test_files)]
    if not paths[0].parent.is_dir():
        names = ", ".join(path.name for path in paths)
        raise DataError(
            f"{data} has no folder {task.folder}; expected GLUE's own files there ({names}), or no --data, for the hub's"
        )
    train, *tests = (_read(task, path, left_out) for path in paths)
    return (
        train,
        [example for test in tests for example in test],
        {path.name: sha256(path) for path in paths},
        tuple(left_out),
    )


def _read(task: GlueTask, path: Path, left_out: list[str]) -> list[Example]:
    sheet = open_sheet(path, quoted=False, header=task.header)
    positions = sheet.positions((*task.text, task.label))
    width = len(sheet.header)
    examples: list[Example] = []
    broken: list[int] = []
    for row, cells in sheet.rows:
        if task.broken_rows and len(cells) < width:
            broken.append(row)
            continue
        *text, label = sheet.pick(row, cells, positions)
        examples.append(_example(task, text, label, task.labels, f"{path}, row {row}"))
    if len(broken) > _MOST_BROKEN * len(examples):
        raise DataError(
            f"{path}, row {broken[0]}: fewer than {width} cells, and so in {len(broken)} rows; "
            f"GLUE's own {task.folder} has less than one such row in a thousand"
        )
    if not examples:
        raise DataError(f"{path} holds no rows")
    left_out += (f"{path.name}, row {row}" for row in broken)
    return examples


def _from_hub(task: GlueTask) -> _Parts:
    loaded = load_hub(HUB_ID, task.name, advice="pass --data with a GLUE folder")
    columns = (*(task.hub_text or task.text), "label")
    names = ["train", *task.hub_tests]
    parts = {
        name: hub_rows(loaded[name], columns, f"{HUB_ID}:{task.name}#{name}") for name in names
    }
    train, *tests = (_examples(task, part) for part in parts.values())
    fingerprints = {name: part.fingerprint for name, part in parts.items()}
    return train, [example for test in tests for example in test], fingerprints, ()


def _examples(task: GlueTask, part: HubRows) -> list[Example]:
    # Labels come by name where the hub declares names, else as in GLUE's own files.
    labels = (task.hub_labels or task.labels) if part.class_names else task.labels
    examples = []
    for row, (*text, label) in part.rows:
        where = f"{part.source}, row {row}"
        if label is None or None in text:
            raise DataError(f"{where}: a sentence or the label is missing")
        known = label if labels is None else str(label)
        examples.append(_example(task, text, known, labels, where))
    return examples


def _example(
    task: GlueTask, text: Sequence[str], label: Any, labels: Sequence[str] | None, where: str
) -> Example:
    second = text[1] if len(task.text) > 1 else None
    value = finite_score(label, where) if labels is None else class_index(label, labels, where)
    return Example(text[0], second, value)
