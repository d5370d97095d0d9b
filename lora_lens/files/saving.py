"""Tensors → a safetensors file, whose failures are the system's."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

# The library's words, and those that it had before its version 0.6.
_OF_THE_SYSTEM = re.compile(r"\(os error (?P<number>\d+)\)|\bOs \{ code: (?P<code>\d+)")
# What a disk or a folder refuses with; of a connection or a pipe it is not.
_OF_DISKS = frozenset({
    errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG, getattr(errno, "EDQUOT", errno.ENOSPC),  # not on Windows
})  # fmt: skip


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file.

    Whoever writes waits for OSError, and has it (see `told_by_the_system`).

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
    with told_by_the_system(path):
        save_file(dict(tensors), path, metadata=dict(metadata))


@contextmanager
def told_by_the_system(path: Path) -> Iterator[None]:
    """The block in which what safetensors and tokenizers raise of a disk, each by a class of its own, is the system's error.

    Args:
        path: What is written.

    Raises:
        OSError: It cannot be written: the disk or a quota is full, or the disk fails.

    Example:
        >>> with told_by_the_system(Path("tokenizer.json")):
        ...     raise Exception("Disk quota exceeded (os error 122)")
        Traceback (most recent call last):
        ...
        OSError: [Errno 122] Disk quota exceeded: 'tokenizer.json'
    """
    try:
        yield
    except Exception as error:  # tokenizers raises no class below it
        told = None if isinstance(error, OSError) else _OF_THE_SYSTEM.search(str(error))
        number = None if told is None else int(told["number"] or told["code"])
        if number is None or number not in _OF_DISKS:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
