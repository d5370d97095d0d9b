"""Adapters that torchtune itself made and saved, with its own ΔW; ``tests/real_adapters.py`` makes them again."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from real_adapters import kept
from torch import Tensor

CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {
    "LoRA": partial(kept, "torchtune"),
    "DoRA": partial(kept, "torchtune dora"),
}
