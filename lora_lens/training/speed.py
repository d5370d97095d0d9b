"""How fast models train, measured side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..arrays import dtype_name
from ..core.computing.waiting import wait

MemoryKind = Literal["allocated in a step", "saved for backward"]
_LEARNING_RATE = 1e-4  # AdamW's; a step takes as long by any


@dataclass(frozen=True)
class Speed:
    """One model's training steps, as they were timed beside another's.

    Attributes:
        examples: Rows of the batch.
        seconds: One number a step, in the order of the rounds: forward, backward and AdamW.
        bytes: Memory of one step, of the kind that `memory` says.
        memory: On a GPU ``allocated in a step``: the most that was allocated during a step beyond
            what was before it. Elsewhere ``saved for backward``: the tensors that autograd keeps
            between forward and backward, each storage once, parameters and buffers not counted.
        device: As torch names it.
        dtype: Of the base model's weights, or autocast's.
    """

    examples: int
    seconds: tuple[float, ...]
    bytes: int
    memory: MemoryKind
    device: str
    dtype: str

    @property
    def steps(self) -> int:
        """Number of timed steps."""
        return len(self.seconds)

    @property
    def examples_per_second(self) -> float:
        """Rows of the batch over the median step."""
        return self.examples / statistics.median(self.seconds)

    def times_faster_than(self, other: Speed) -> float:
        """Median over the rounds of the other's seconds over this one's.

        Both steps of a round run one after the other, so that what slows the machine for a while
        slows both. Table 4 of the paper has 1.016 for CondLoRA over LoRA.
        """
        rounds = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(theirs / ours for ours, theirs in rounds)


def training_speed(
    models: Mapping[str, nn.Module],
    batch: Mapping[str, Tensor],
    *,
    steps: int = 20,
    warm_up: int = 3,
) -> dict[str, Speed]:
    """Seconds and memory of a training step of each model, on one batch, in turns.

    A round is one step of every model; each round begins with another model. The models are
    trained by this, on whichever device they are; under an autocast of the caller's, too.

    Args:
        models: Models whose output has a ``loss``, by name, on the batch's device, in train mode.
        batch: Their arguments.
        steps: Rounds that are timed.
        warm_up: Rounds before those.

    Returns:
        Each model's speed, by its name.

    Example:
        >>> class Tiny(nn.Linear):
        ...     def forward(self, x: Tensor) -> Any:
        ...         return {"loss": super().forward(x).square().mean()}
        >>> speeds = training_speed({"tiny": Tiny(4, 2)}, {"x": torch.ones(3, 4)}, steps=2)
        >>> speeds["tiny"].steps, speeds["tiny"].examples, speeds["tiny"].device
        (2, 3, 'cpu')
    """
    optimizers = {
        name: torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad], lr=_LEARNING_RATE, fused=True
        )
        for name, model in models.items()
    }
    names = list(models)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warm_up + steps):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken = _timed_step(models[name], batch, optimizers[name])
            if turn >= warm_up:
                seconds[name].append(taken)
    examples = len(next(iter(batch.values())))
    return {
        name: Speed(
            examples,
            tuple(seconds[name]),
            *_memory(models[name], batch, optimizers[name]),
            str(_device(batch)),
            _dtype(models[name], _device(batch)),
        )
        for name in names
    }


def _step(model: nn.Module, batch: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    loss: Any = model(**batch)["loss"]
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def _timed_step(
    model: nn.Module, batch: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> float:
    wait(_device(batch))
    start = time.perf_counter()
    _step(model, batch, optimizer)
    wait(_device(batch))
    return time.perf_counter() - start


def _memory(
    model: nn.Module, batch: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, MemoryKind]:
    device = _device(batch)
    if device.type == "cuda":
        wait(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        _step(model, batch, optimizer)
        return torch.cuda.max_memory_allocated(device) - before, "allocated in a step"
    held = {
        tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())
    }
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        # The tensor is kept, so that no later one can have its address.
        saved.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _step(model, batch, optimizer)
    sizes = (t.untyped_storage().nbytes() for at, t in saved.items() if at not in held)
    return sum(sizes), "saved for backward"


def _device(batch: Mapping[str, Tensor]) -> torch.device:
    return next(iter(batch.values())).device


def _dtype(model: nn.Module, device: torch.device) -> str:
    if torch.is_autocast_enabled(device.type):
        return f"autocast {dtype_name(torch.get_autocast_dtype(device.type))}"
    return dtype_name(next(model.parameters()).dtype)
