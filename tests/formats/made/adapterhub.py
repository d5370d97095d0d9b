"""Adapters that AdapterHub's library made and saved, with its own ΔW; ``tests/real_adapters.py`` makes them again."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from real_adapters import kept
from torch import Tensor

CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {
    "of BERT": partial(kept, "adapterhub"),
    "of GPT-2": partial(kept, "adapterhub gpt2"),
    "of ModernBERT": partial(kept, "adapterhub modernbert"),
    "of EAT, by the library's own interface": partial(kept, "adapterhub eat"),
    "of DeBERTa, fused head by head": partial(kept, "adapterhub deberta"),
    "DoRA": partial(kept, "adapterhub dora"),
    "DoRA whose s is not 1": partial(kept, "adapterhub dora scaled"),
}
