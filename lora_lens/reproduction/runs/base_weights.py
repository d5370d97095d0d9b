"""The checksums of a base model's weights, by which what was made of others is told from what would be made now."""

from __future__ import annotations

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
    """Name of every file of a base's weights to its SHA-256; a process hashes a file once for as long as nobody writes to it.

    Raises:
        BaseModelError: It cannot be had.
    """
    return {
        path.name: _checksum(path, version)
        for path, version in opened(base).tensors.read_from.items()
        if path.suffix != ".json"  # an index of them
    }


@cache
def _checksum(path: Path, _: Version) -> str:
    return sha256(path)
