"""Marks of tests whose second route a library has in its newer versions alone."""

from importlib.metadata import PackageNotFoundError, version

import pytest
import torch
from safetensors.torch import _SIZE


def _transformers() -> int:
    try:
        return int(version("transformers").partition(".")[0])
    except PackageNotFoundError:
        return 0


in_transformers_5 = pytest.mark.skipif(
    _transformers() < 5,
    reason="transformers 5 is what this compares with: an older one has other names, or not the model",
)
with_complex_files = pytest.mark.skipif(
    torch.complex64 not in _SIZE, reason="this safetensors writes no complex numbers"
)
