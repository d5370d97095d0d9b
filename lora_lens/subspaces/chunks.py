"""How many layers' W0 are in memory at a time: those of one chunk, and of how many chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..bases.weights import BaseWeights
from ..core.numbers.scaled import of_order_one
from ..core.solving.factoring import factoring_dtype
from .conversions import Plan

_CHUNK_BYTES = 1 << 29
_LAYERS_A_CORE = 3  # which share a step's own cost, and stay in its caches more or less
_ON_A_CORE = 1 << 25  # bytes of a W0 in float64, up to which several are worked on at a time: 2048²
_ON_SOME_CORES = 1 << 27  # the same, where so many fit: 4096²
_AT_A_TIME_BYTES = 1 << 31
# Bytes a number of a layer's draws: as drawn, as right-hand sides, solved, and their bases twice.
_DRAWN = 4 * 5


class Chunk(NamedTuple):
    """First and last position of some layers, and their W0 as stored, of one dtype."""

    start: int
    stop: int
    layers: list[Tensor]

    def each(self) -> Iterator[Chunk]:
        """Its layers, each as a chunk of its own."""
        for k, layer in enumerate(self.layers, self.start):
            yield Chunk(k, k + 1, [layer])


def chunks_of(plan: Plan, weights: BaseWeights, device: torch.device) -> Iterator[Chunk]:
    """All layers, a chunk of memory at a time.

    Example:
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "stored", draws=200)
        >>> base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> [(chunk.start, chunk.stop) for chunk in chunks_of(plan, base, torch.device("cpu"))]
        [(0, 3), (3, 6)]
    """
    factors, step = plan.factors, _layers_a_chunk(plan, device)
    start, layers = 0, list[Tensor]()
    for k in range(len(factors.layers)):
        if len(layers) == step:
            yield Chunk(start, k, layers)
            start, layers = k, []
        # Conversions keep their subspaces, and W0 its condition, whatever the scale.
        w0 = of_order_one(weights.w0(factors, k))
        if layers and w0.dtype != layers[0].dtype:
            yield Chunk(start, k, layers)
            start, layers = k, []
        layers.append(w0)
    yield Chunk(start, len(factors.layers), layers)


def _layers_a_chunk(plan: Plan, device: torch.device) -> int:
    """As many layers as fit the memory of one chunk, so that a model of any depth passes through it.

    On a CPU few, which is faster; and one where they are factored in float32: one that has to be taken in float64 takes
    no other with it, whose draws would be others then.
    """
    most = int(min(_CHUNK_BYTES, plan.memory.chunk) // _bytes_a_layer(plan, device))
    if device.type == "cpu":
        most = min(most, 1 if _in_single(plan) else _LAYERS_A_CORE)
    return max(1, most)


def _bytes_a_layer(plan: Plan, device: torch.device) -> int:
    rows, columns = plan.factors.out_features, plan.factors.in_features
    single = device.type == "cpu" and _in_single(plan)
    copies = 8 if plan.ridge else 2 if single else 4  # the ridge's SVD beside the rest
    return 8 * copies * rows * columns


def _in_single(plan: Plan) -> bool:
    """Whether W0 is factored in float32, where its condition allows it."""
    shape = plan.factors.out_features, plan.factors.in_features
    return factoring_dtype(shape, torch.float32, torch.float64) != torch.float64


def _bytes_a_chunk(plan: Plan, device: torch.device) -> int:
    """With one layer's draws."""
    factors = plan.factors
    drawn = plan.draws * max(factors.ranks) * max(factors.out_features, factors.in_features)
    return _layers_a_chunk(plan, device) * _bytes_a_layer(plan, device) + _DRAWN * drawn


def to_share_out(plan: Plan, device: torch.device) -> int:
    """Chunks among which threads are shared out: one, where a W0 is large enough for all of them.

    So that no digit depends on the memory that is asked for, it is not asked about; but of W0 so large that less
    memory would leave threads without work.

    Example:
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "stored", draws=200)
        >>> to_share_out(plan, torch.device("cpu")), to_share_out(plan, torch.device("cuda"))
        (2, 1)
    """
    factors = plan.factors
    one = 8 * factors.out_features * factors.in_features
    if device.type != "cpu" or one > _ON_SOME_CORES:
        return 1
    count = -(-len(factors.layers) // _layers_a_chunk(plan, device))
    fit = 1 + _AT_A_TIME_BYTES // _bytes_a_chunk(plan, device)
    return min(count, fit) if one <= _ON_A_CORE else min(count, fit, at_a_time(plan, device))


def at_a_time(plan: Plan, device: torch.device) -> int:
    """How many of them fit the memory that is asked for.

    Example:
        >>> from dataclasses import replace
        >>> from lora_lens.subspaces.memory import Budget
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "stored", draws=200)
        >>> at_a_time(replace(plan, memory=Budget(size=10**8)), torch.device("cpu"))
        1
    """
    fit = min(plan.memory.chunk, _AT_A_TIME_BYTES) // _bytes_a_chunk(plan, device)
    return 1 + int(fit)
