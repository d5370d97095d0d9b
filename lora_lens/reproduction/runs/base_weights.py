"""The checksums of a base model's weights, by which what was made of others is told from what would be made now."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from ...bases.opening import open_base
from ...bases.weights import BaseWeights
from ...errors import BaseModelError
from ...files.checksums import sha256
from ...files.mapped import Version


def opened(base: str) -> BaseWeights:
    """A base as the analyses open it: the hub is asked only for what this machine has not.

    Raises:
        BaseModelError: It cannot be had.
    """
    try:
        return open_base(base)
    except BaseModelError:
        return open_base(base, download=True)


def base_checksums(base: str) -> dict[str, str]:
    """Every file of a base's weights, by its name below the folder that has them all, to its SHA-256; a process hashes a file once for as long as nobody writes to it.

    Raises:
        BaseModelError: It cannot be had.
    """
    read_from = opened(base).tensors.read_from
    files = {path: version for path, version in read_from.items() if path.suffix != ".json"}
    above = os.path.commonpath([path.parent for path in files])  # shards may lie in folders of it
    return {
        path.relative_to(above).as_posix(): _checksum(path, version)
        for path, version in files.items()
    }


@cache
def _checksum(path: Path, _: Version) -> str:
    return sha256(path)
