"""Factors that were never trained: what W0 alone makes of them is what an adapter is compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch

from ..adapter import FusedRows, ModuleFactors
from ..bases import fused
from ..bases.weights import BaseWeights
from ..errors import ModuleLookupError, RankError
from ..files.names import find_module, names_apart, split_layer

_WEIGHT = ".weight"


def untrained_factors(
    weights: BaseWeights, module: str, rank: int, *, generator: torch.Generator
) -> ModuleFactors:
    """Gaussian A and B of a base model's module in all of its layers; s = 1.

    Raises:
        ModuleLookupError: The base has no such module in numbered layers.
        BaseModelError: Its weights are no matrices of floats.
        RankError: `rank` is below 1 or above the module's smaller width.

    Example:
        >>> import lora_lens as ll
        >>> base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> made = untrained_factors(base, "value", 4, generator=torch.Generator().manual_seed(0))
        >>> made.a.shape, made.b.shape, made.layers
        (torch.Size([6, 4, 384]), torch.Size([6, 384, 4]), (0, 1, 2, 3, 4, 5))
    """
    patterns: dict[str, dict[int, str]] = {}
    for name in weights.tensors.files:
        split = split_layer(name.removesuffix(_WEIGHT)) if name.endswith(_WEIGHT) else None
        if split is not None:
            patterns.setdefault(split[0], {})[split[1]] = name.removesuffix(_WEIGHT)
    roles = _roles(weights, patterns)
    found = _chosen(module, [*patterns, *roles], weights.source)
    whole, part = roles.get(found[1], (found[1], None))
    paths = dict(sorted(patterns[whole].items()))
    shapes = {tuple(weights.weight(path).shape) for path in paths.values()}
    if len(shapes) > 1:
        listed = ", ".join(f"{rows}x{columns}" for rows, columns in sorted(shapes))
        raise ModuleLookupError(
            f"W0 of {found[0]} in {weights.source} is {listed} in different layers; expected one shape"
        )
    ((rows, columns),) = shapes
    rows = part.rows if part else rows
    empty = torch.zeros(len(paths), 0, 0, dtype=torch.float32)
    bare = ModuleFactors(
        module=found[0],
        pattern=found[1],
        layers=tuple(paths),
        names=tuple(paths.values()),
        a=empty.new_zeros(len(paths), 0, columns),
        b=empty.new_zeros(len(paths), rows, 0),
        scaling=torch.ones(len(paths), dtype=torch.float64),
        ranks=(0,) * len(paths),
        part=part,
    )
    return as_untrained(bare, rank, generator=generator)


def as_untrained(factors: ModuleFactors, rank: int, *, generator: torch.Generator) -> ModuleFactors:
    """The same module and layers with Gaussian factors of a rank in the place of the trained ones.

    Raises:
        RankError: `rank` is below 1 or above the smaller width.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> made = as_untrained(adapter.modules["value"], 2, generator=torch.Generator().manual_seed(0))
        >>> made.a.shape, made.ranks, bool(abs(made.b.std() - 1) < 0.05)
        (torch.Size([6, 2, 384]), (2, 2, 2, 2, 2, 2), True)
    """
    layers, rows, columns = len(factors.layers), factors.out_features, factors.in_features
    if not 1 <= rank <= min(rows, columns):
        raise RankError(
            f"rank is {rank}, and W0 of {factors.module} is {rows}x{columns}; expected 1 to "
            f"{min(rows, columns)}"
        )
    return replace(
        factors,
        a=torch.randn(layers, rank, columns, generator=generator, dtype=torch.float32),
        b=torch.randn(layers, rows, rank, generator=generator, dtype=torch.float32),
        scaling=torch.ones(layers, dtype=torch.float64),
        ranks=(rank,) * layers,
    )


def _roles(
    weights: BaseWeights, patterns: Mapping[str, Mapping[int, str]]
) -> dict[str, tuple[str, FusedRows]]:
    """Pattern of each role of a fused projection → the projection's own pattern, and the role's rows."""
    found = {}
    for pattern, paths in patterns.items():
        parent, _, last = pattern.rpartition(".")
        if last not in fused.NAMES:
            continue
        first = next(iter(paths.values()))
        shape = weights.tensors.shape(first + _WEIGHT)
        if len(shape) == 2:
            rows, columns = shape[::-1] if weights.is_conv1d(first) else shape
            for role, part in fused.parts(
                last, rows, columns, weights.configuration.settings
            ).items():
                found[f"{parent}.{role}"] = (pattern, part)
    return {role: one for role, one in found.items() if role not in patterns}


def _chosen(module: str, patterns: Collection[str], source: str) -> tuple[str, str]:
    """Short name and pattern of the module that is meant."""
    by_name = {name: pattern for pattern, name in names_apart(patterns).items()}
    try:
        name = find_module(module, by_name)
    except ModuleLookupError as error:
        raise ModuleLookupError(
            f"{source}: {str(error).replace('in this adapter', 'in its numbered layers')}"
        ) from None
    return name, by_name[name]
