"""Whether bfloat16 saves any time on this device."""

from __future__ import annotations

import statistics
import time
import warnings
from functools import cache

import torch

_SLOWER = 3.0  # from here on it is said
_ROWS, _WIDTH, _TIMES = 128, 384, 5


class EmulatedPrecisionWarning(UserWarning):
    """Half precision that is slower than float32 here, as where the device has no instructions for it."""


def warn_if_emulated(device: torch.device) -> None:
    """Say so where a product in bfloat16 takes much longer than in float32, as on processors without AVX512.

    Both are timed, which takes a tenth of a second where there is something to say.

    Args:
        device: Where the run will be.
    """
    slower = slowdown(device)
    if slower > _SLOWER:
        warnings.warn(
            f"a product in bfloat16 takes {slower:.0f} times as long here as in float32, as on processors without "
            "instructions for it: bfloat16 saves no time in this run",
            EmulatedPrecisionWarning,
            stacklevel=3,
        )


@cache
def slowdown(device: torch.device) -> float:
    """Time of a product of a small layer in bfloat16, by that in float32; 1 on a GPU, whose times are not taken."""
    if device.type != "cpu":
        return 1.0
    return _seconds(torch.bfloat16) / _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    rows, layer = torch.ones(_ROWS, _WIDTH, dtype=dtype), torch.ones(_WIDTH, _WIDTH, dtype=dtype)
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        torch.mm(rows, layer)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
