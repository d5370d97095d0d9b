"""A checkpoint that a trainer has put into a dictionary of its own, beside what else it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# LitGPT's, PyTorch Lightning's and loralib's examples', torchtune's.
_KEYS = ("model", "state_dict", "model_state_dict", "adapter")


def tensors_within(found: Mapping[Any, Any], tensor: type) -> Mapping[Any, Any]:
    """The dictionary that has the tensors by name: this one, or the only one that it holds them in.

    Example:
        >>> tensors_within({"model": {"a": 1.0}, "step": 3}, float)
        {'a': 1.0}
    """
    if any(isinstance(one, tensor) for one in found.values()):
        return found
    within = [found[key] for key in _KEYS if isinstance(found.get(key), Mapping)]
    return within[0] if len(within) == 1 else found
