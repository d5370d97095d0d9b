"""Tensors → a safetensors file, whose failures are the system's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

# The library's words, and those that it had before its version 0.6.
_OF_THE_SYSTEM = re.compile(r"\(os error (?P<number>\d+)\)|\bOs \{ code: (?P<code>\d+)")


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file.

    The library has an exception of its own for a full disk; whoever writes waits for OSError.

    Args:
        tensors: Name to tensor, contiguous, no two in one memory.
        path: Of the file.
        metadata: For its header.

    Raises:
        OSError: It cannot be written.

    Example:
        >>> import torch
        >>> save_tensors({"a": torch.eye(2)}, Path("/nowhere/a.safetensors"), {"format": "pt"})
        Traceback (most recent call last):
        ...
        FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/a.safetensors'
    """
    try:
        save_file(dict(tensors), path, metadata=dict(metadata))
    except SafetensorError as error:
        told = _OF_THE_SYSTEM.search(str(error))
        if told is None:
            raise
        number = int(told["number"] or told["code"])
        raise OSError(number, os.strerror(number), str(path)) from None
