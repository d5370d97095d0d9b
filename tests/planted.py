"""Adapters and base models with planted matrices, stored in float64 so that known answers stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from checkpoints import BertLike, write_base, write_config, write_tensors
from numpy.typing import NDArray

from lora_lens import Adapter, load_adapter

Array = NDArray[np.float64]
MODULE = "value"
Factors = tuple[Array, Array]  # B (out, r) and A (r, in)


def plant(
    folder: Path, w0: Sequence[Array], factors: Sequence[Factors], *, scaling: float = 1.0
) -> Adapter:
    """An adapter with a layer a W0, whose ΔW is ``scaling·B·A``; ranks may differ between layers."""
    shape = BertLike(layers=len(w0), modules=(MODULE,))
    base = {f"{shape.path(k, MODULE)}.weight": tensor(w) for k, w in enumerate(w0)}
    write_base(folder / "base", shape, base)
    tensors, ranks, alphas = {}, {}, {}
    for k, (b, a) in enumerate(factors):
        path = f"bert.{shape.path(k, MODULE)}"
        tensors[f"base_model.model.{path}.lora_A.weight"] = tensor(a)
        tensors[f"base_model.model.{path}.lora_B.weight"] = tensor(b)
        ranks[path], alphas[path] = len(a), scaling * len(a)
    write_tensors(folder / "lora", tensors)
    write_config(
        folder / "lora", base=str(folder / "base"), r=1, rank_pattern=ranks, alpha_pattern=alphas
    )
    return load_adapter(folder / "lora")


def tensor(x: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(x, dtype=np.float64, order="C"))


def unit(d: int, *positions: int) -> Array:
    """Columns of the identity."""
    return np.eye(d)[:, list(positions)]


def orthogonal(d: int, rng: np.random.Generator) -> Array:
    """A uniform orthogonal matrix."""
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def regauged(factors: Sequence[Factors], rng: np.random.Generator) -> list[Factors]:
    """The same ΔW with (R·A, B·R⁻¹), R well conditioned."""
    found = []
    for b, a in factors:
        r = orthogonal(len(a), rng) * np.linspace(0.3, 3, len(a)) + 0.1
        found.append((b @ np.linalg.inv(r), r @ a))
    return found
