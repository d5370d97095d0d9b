"""Factors by module path → `ModuleFactors`: one a target module, fused projections split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..adapter import ModuleFactors
from ..errors import AdapterError
from ..files.names import short_names, split_layer


class Pair(NamedTuple):
    """One layer's factors: a (rank, in), b (out, rank), s, and the tensors of the file they come from."""

    a: Tensor
    b: Tensor
    scaling: float
    tensors: tuple[str, ...]


class _Part(NamedTuple):
    layer: int
    path: str
    pair: Pair
    block: tuple[int, int] | None


def group_by_module(
    pairs: Mapping[str, Pair], *, split_c_attn: bool = True
) -> tuple[dict[str, ModuleFactors], dict[str, str]]:
    """Modules by short name, and the tensors that are left out with the reason.

    Args:
        pairs: Module path to factors.
        split_c_attn: Whether ``c_attn`` is GPT-2's Conv1D; GPT-BigCode's Linear of that name
            interleaves its heads, and stays whole.

    Raises:
        AdapterError: Factors do not fit each other or hold NaN or infinite values, or no path is in
            a numbered layer.
    """
    groups: dict[str, list[_Part]] = {}
    left_out: dict[str, str] = {}
    for path, pair in pairs.items():
        _check(path, pair)
        split = split_layer(path)
        if split is None:
            why = "outside the numbered layers, which the analyses compare"
            left_out |= dict.fromkeys(pair.tensors, why)
            continue
        pattern, layer = split
        for name, block, piece in _unfuse(pattern, pair, split_c_attn):
            groups.setdefault(name, []).append(_Part(layer, path, piece, block))
    for pattern, parts in list(groups.items()):
        if len({(p.pair.b.shape[0], p.pair.a.shape[1]) for p in parts}) > 1:
            del groups[pattern]
            for part in parts:
                left_out |= dict.fromkeys(part.pair.tensors, "its shape differs between layers")
    if not groups:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:3])
        raise AdapterError(f"no module of the adapter can be analysed ({reasons or 'it has none'})")
    names = short_names(groups)
    modules = {
        names[pattern]: _stack(names[pattern], pattern, parts) for pattern, parts in groups.items()
    }
    return dict(sorted(modules.items())), left_out


def _check(path: str, pair: Pair) -> None:
    a, b = pair.a, pair.b
    if a.shape[0] != b.shape[1]:
        raise AdapterError(
            f"{path}: A is {a.shape[0]}x{a.shape[1]} and B is {b.shape[0]}x{b.shape[1]}; "
            f"expected A's rows to equal B's columns"
        )
    for name, tensor in (("A", a), ("B", b)):
        if not tensor.is_floating_point():
            raise AdapterError(f"{name} of {path} holds {str(tensor.dtype)[6:]}, expected floats")
        if not bool(torch.isfinite(tensor.float()).all()):
            raise AdapterError(f"{name} of {path} holds NaN or infinite values")


def _unfuse(
    pattern: str, pair: Pair, split: bool
) -> list[tuple[str, tuple[int, int] | None, Pair]]:
    """GPT-2's ``c_attn`` holds query, key and value below each other (key and value in cross-attention)."""
    parent, _, last = pattern.rpartition(".")
    rows, columns = pair.b.shape[0], pair.a.shape[1]
    roles = {3 * columns: ("query", "key", "value"), 2 * columns: ("key", "value")}.get(rows)
    if last != "c_attn" or roles is None or not split:
        return [(pattern, None, pair)]
    blocks = pair.b.chunk(len(roles), dim=0)
    return [
        (f"{parent}.{role}", (index, len(roles)), pair._replace(b=blocks[index]))
        for index, role in enumerate(roles)
    ]


def _stack(module: str, pattern: str, parts: list[_Part]) -> ModuleFactors:
    parts = sorted(parts, key=lambda part: part.layer)
    layers = tuple(part.layer for part in parts)
    ranks = tuple(part.pair.a.shape[0] for part in parts)
    widest = max(ranks)
    a = [torch.nn.functional.pad(p.pair.a, (0, 0, 0, widest - p.pair.a.shape[0])) for p in parts]
    b = [torch.nn.functional.pad(p.pair.b, (0, widest - p.pair.b.shape[1])) for p in parts]
    return ModuleFactors(
        module=module,
        pattern=pattern,
        layers=layers,
        names=tuple(part.path for part in parts),
        a=torch.stack(a),
        b=torch.stack(b),
        scaling=torch.tensor([part.pair.scaling for part in parts], dtype=torch.float64),
        ranks=ranks,
        part=parts[0].block,
    )
