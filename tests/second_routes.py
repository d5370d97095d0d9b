"""Marks of tests whose second route a library has in its newer versions alone."""

from importlib.metadata import PackageNotFoundError, version

import pytest
import torch
from safetensors.torch import _SIZE


def transformers_before(*release: int) -> bool:
    """Whether the library is older than that, or not there."""
    try:
        return tuple(map(int, version("transformers").split(".")[: len(release)])) < release
    except PackageNotFoundError:
        return True


in_transformers_5 = pytest.mark.skipif(
    transformers_before(5),
    reason="transformers 5 is what this compares with: an older one has other names, or not the model",
)
with_newer_tables = pytest.mark.skipif(
    transformers_before(5, 15),
    reason="newer tables of transformers are what this compares with: an older one lacks some models' names",
)
with_complex_files = pytest.mark.skipif(
    torch.complex64 not in _SIZE, reason="this safetensors writes no complex numbers"
)
