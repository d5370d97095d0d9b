"""A checkpoint that a trainer has put into a dictionary of its own, beside what else it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FileFormatError

# LitGPT's, PyTorch Lightning's and loralib's examples', torchtune's, DeepSpeed's.
_KEYS = ("model", "state_dict", "model_state_dict", "adapter", "module")
_PARTS = "mp_world_size"
_DEEPEST = 3
_MOST_NAMED = 4


def tensors_within(found: Mapping[Any, Any], tensor: type) -> Mapping[Any, Any]:
    """The dictionary that has the tensors by name: this one, or the one that it holds them in.

    That is the one under a key by which trainers save weights, beside which an optimiser's may lie, or else
    the only one there is. Tensors beside it of names without a dot, a step's number or a generator's state,
    are a trainer's and no weights.

    Raises:
        FileFormatError: There are several, and nothing tells which has the weights; or they are a part of them.

    Example:
        >>> tensors_within({"model": {"a": 1.0}, "step": 3}, float)
        {'a': 1.0}
        >>> tensors_within({"lora": {"a": 1.0}, "lora_config": {"r": 4}}, float)
        {'a': 1.0}
    """
    parts = found.get(_PARTS)
    if isinstance(parts, int) and parts > 1:
        raise FileFormatError(
            f"is one of {parts} parts, between which DeepSpeed has cut the matrices ({_PARTS}); save the weights whole"
        )
    return _within(found, tensor, _DEEPEST, {id(found)})


def _within(
    found: Mapping[Any, Any], tensor: type, depth: int, seen: set[int]
) -> Mapping[Any, Any]:
    beside = [name for name, one in found.items() if isinstance(one, tensor)]
    of_weights = any("." in str(name) for name in beside)
    if not depth or of_weights:
        return found
    held: dict[str, Mapping[Any, Any]] = {}
    for key, one in found.items():
        # Each is looked at once: a pickle may hold a dictionary in itself, under any number of keys.
        if isinstance(key, str) and isinstance(one, Mapping) and id(one) not in seen:
            seen.add(id(one))
            inner = _within(one, tensor, depth - 1, seen)
            if _names(inner, tensor):
                held[key] = inner
    known = [key for key in held if key in _KEYS]
    if len(known) == 1:
        return held[known[0]]
    if beside or not held:
        return found
    if len(held) == 1:
        return next(iter(held.values()))
    some = ", ".join(sorted(map(str, held))[:_MOST_NAMED])
    raise FileFormatError(
        f"holds tensors in {len(held)} dictionaries ({some}), and nothing tells which of them are the weights; save the "
        f"one that has them as a file of its own"
    )


def _names(found: Mapping[Any, Any], tensor: type) -> bool:
    """Whether it has tensors by name, and not by number as an optimiser's state."""
    return any(isinstance(name, str) and isinstance(one, tensor) for name, one in found.items())
