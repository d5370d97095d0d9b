"""Until a device has done what it was given, which a clock has to wait for."""

from __future__ import annotations

import torch


def wait(device: torch.device) -> None:
    """Return when all that was given to the device is done; on the CPU that is so at once.

    Example:
        >>> wait(torch.device("cpu"))
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
