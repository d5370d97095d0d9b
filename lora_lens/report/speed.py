"""How fast this machine is now, by a few small computations: what turns `lora_lens.core.computing.work.Work` into seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ..core.computing.waiting import wait
from ..core.computing.work import Work
from ..core.numbers.either import in_float64

_WIDE, _NARROW, _SMALL, _MANY = 512, 192, 16, 64
_TIMES = 3


def measured_speed(device: torch.device) -> Work:
    """Of each kind of work, how much in a second, with whatever else the machine is doing; in a tenth of one."""
    generator = torch.Generator().manual_seed(0)

    def made(*shape: int) -> torch.Tensor:
        return in_float64(torch.randn(*shape, generator=generator, dtype=torch.float32).to(device))

    wide, narrow, small = made(_WIDE, _WIDE), made(_NARROW, _NARROW), made(_MANY, _SMALL, _SMALL)
    symmetric = small @ small.mT
    return Work(
        products=2 * _WIDE**3 / _seconds(lambda: wide @ wide, device),
        decompositions=_NARROW**3 / _seconds(lambda: torch.linalg.svd(narrow), device),
        small=_MANY / _seconds(lambda: torch.linalg.eigh(symmetric), device),
    )


def _seconds(compute: Callable[[], object], device: torch.device) -> float:
    """Of one, mean of a few after the first, which libraries take to get ready."""
    compute()
    wait(device)
    began = time.perf_counter()
    for _ in range(_TIMES):
        compute()
    wait(device)
    return max(time.perf_counter() - began, 1e-9) / _TIMES
