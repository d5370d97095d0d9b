"""The fixtures of the formats, and ΔW as it was read."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lora_lens import Adapter
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.subspaces.delta import rescaled_delta

MADE = Path(__file__).parent / "formats" / "made"
Make = Callable[[Path], Mapping[str, Tensor]]


def made_by(name: str) -> Any:
    """The module of a format's fixtures."""
    spec = importlib.util.spec_from_file_location(f"made_{name}", MADE / f"{name}.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases_of(name: str) -> Mapping[str, Make]:
    """The fixture of a format: what is written into a folder, with its ΔW by another route."""
    cases: Mapping[str, Make] = made_by(name).CASES
    return cases


def deltas(adapter: Adapter) -> dict[str, Tensor]:
    """ΔW by path; blocks of a fused projection below each other again."""
    blocks: dict[str, dict[int, Tensor]] = {}
    for factors in adapter.modules.values():
        for k, path in enumerate(factors.names):
            delta = factors.scaling[k] * factors.b[k].double() @ factors.a[k].double()
            if factors.magnitude is not None:
                delta = rescaled_delta(factors, k, open_base_of(adapter).w0(factors, k))
            blocks.setdefault(path, {})[(factors.part or (0, 1))[0]] = delta
    return {path: torch.cat([of[k] for k in sorted(of)]) for path, of in blocks.items()}
