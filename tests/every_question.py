"""Every question as it is asked: of one adapter, of two, or of a run. One that takes an adapter and a module needs no line here."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checkpoints import BertLike, write_base, write_lora

from lora_lens.questions import QUESTIONS

BY_NAME = {question.name: question for question in QUESTIONS}
NAMES = tuple(BY_NAME)
_OF_TWO = {"comparison", "grid", "matrix"}


def write_adapters(root: Path, shape: BertLike) -> Path:
    """Two adapters on one base, and a run of two checkpoints, for `given`."""
    base = str(write_base(root / "base", shape))
    for name in ("one", "other", "run/checkpoint-1", "run/checkpoint-2"):
        write_lora(root / name, shape, base=base, seed=len(name) + int(name[-1] == "2"))
    return root


def given(name: str, root: Path) -> list[Path]:
    """What of `write_adapters` the question is about."""
    if name == "dynamics":
        return [root / "run"]
    return [root / "one", root / "other"] if name in _OF_TWO else [root / "one"]


def takes(name: str, option: str) -> bool:
    """Whether its function has such a parameter."""
    return option in inspect.signature(BY_NAME[name].ask).parameters


def answered(name: str, adapters: Sequence[Any], **options: Any) -> Any:
    """Its answer about these, about their module value where it is asked of one."""
    where = {"module": "value"} if takes(name, "module") else {}
    each = [adapters] if name == "matrix" else adapters
    return BY_NAME[name].ask(*each, **where, **options)
