"""What an adapter's own files say of its training: the task and the score, from ``run.json`` or the model card."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..adapter import Adapter
from ..files.run_names import RECORD
from ..formats.opening import adapter_files

_CARD = "README.md"
_LONGEST = 120  # letters of a card's own words
_LARGEST = 4 << 20  # bytes of a file that says it


class TrainingTold(NamedTuple):
    """What is said, not checked.

    Attributes:
        task: In the file's own words.
        metric, score: Of which set says `part`; None where no score is told.
        part: ``test`` or ``development``; nothing where the file does not say.
        file: Which file says so.
    """

    task: str
    metric: str | None
    score: float | None
    part: str
    file: str

    @property
    def words(self) -> str:
        """In one cell."""
        if self.score is None:
            return self.task
        on = f" ({self.part})" if self.part else ""
        return f"{self.task}, {self.metric or 'score'} {self.score:.4g}{on}"


def training_told(adapter: Adapter) -> TrainingTold | None:
    """What ``run.json``, or else the model card, says beside the adapter's weights; None if neither does."""
    folder = _folder(adapter)
    if folder is None:
        return None
    return _of_record(_read(folder / RECORD)) or _of_card(_read(folder / _CARD))


def _folder(adapter: Adapter) -> Path | None:
    files = adapter_files(adapter)
    if files is None:
        return None
    if files.config_file is not None:
        return files.config_file.parent
    found = [
        path for name in set(files.tensors.files.values()) if (path := files.tensors.find(name))
    ]
    return found[0].parent if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= _LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _of_record(text: str) -> TrainingTold | None:
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    settings = found.get("settings") if isinstance(found, Mapping) else None
    task = settings.get("task") if isinstance(settings, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(task, str):
        return None
    for part in ("test", "development"):
        score = _number(found.get(f"{part}_score"))
        if score is not None:
            return TrainingTold(_cut(task), _word(found.get("metric")), score, part, RECORD)
    return TrainingTold(_cut(task), None, None, "", RECORD)


def _of_card(text: str) -> TrainingTold | None:
    if not text.startswith("---"):
        return None
    from huggingface_hub.repocard import ModelCard

    try:
        data: Any = ModelCard(text, ignore_metadata_errors=True).data
    except Exception:  # a card is anybody's YAML, of which nothing depends on here
        return None
    for result in data.eval_results or []:
        words = _word(result.dataset_name) or _word(result.task_name) or _word(result.task_type)
        if words:
            score, metric = _number(result.metric_value), _word(result.metric_type)
            return TrainingTold(_cut(words), metric, score, "", _CARD)
    listed = data.datasets if isinstance(data.datasets, list) else [data.datasets]
    words = ", ".join(one for one in listed if isinstance(one, str))
    return TrainingTold(_cut(words), None, None, "", _CARD) if words else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _word(value: Any) -> str | None:
    return _cut(value) if isinstance(value, str) and value else None


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
