"""Where models are trained and scored."""

from __future__ import annotations

import torch


def run_device(*, use_cpu: bool) -> torch.device:
    """The accelerator that torch finds, of whatever kind; the CPU where there is none or it is asked for.

    Example:
        >>> run_device(use_cpu=True)
        device(type='cpu')
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return torch.device("cpu") if found is None or use_cpu else found
