"""A checkpoint that a trainer has put into a dictionary of its own, beside what else it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import FileFormatError

# LitGPT's, PyTorch Lightning's and loralib's examples', torchtune's, DeepSpeed's.
_KEYS = ("model", "state_dict", "model_state_dict", "adapter", "module")
_PARTS = "mp_world_size"
_DEEPEST = 3
_MOST_NAMED = 4
_MOST_BESIDE = 2**26  # letters of all names beside the weights
_NAMES_OWN = 64  # bytes of a name, whatever its letters


class Within(NamedTuple):
    """The dictionary that has the weights, and tensors by name in others beside it, by their keys."""

    weights: Mapping[Any, Any]
    beside: tuple[str, ...] = ()


def tensors_within(found: Mapping[Any, Any], tensor: type) -> Within:
    """The dictionary that has the tensors by name: this one, or the one that it holds them in.

    That is the one under a key by which trainers save weights, beside which an optimiser's may lie, or else
    the only one there is. Tensors beside it of names without a dot, a step's number or a generator's state,
    are a trainer's and no weights.

    Raises:
        FileFormatError: There are several, and nothing tells which has the weights; or they are a part of them.

    Example:
        >>> tensors_within({"lora": {"a": 1.0}, "lora_config": {"r": 4}}, float).weights
        {'a': 1.0}
        >>> tensors_within({"model": {"a": 1.0}, "ema": {"a": 1.1}, "step": 3}, float)
        Within(weights={'a': 1.0}, beside=('ema.a',))
    """
    parts = found.get(_PARTS)
    if isinstance(parts, int) and parts > 1:
        raise FileFormatError(
            f"is one of {parts} parts, between which DeepSpeed has cut the matrices ({_PARTS}); save the weights whole"
        )
    return _within(found, tensor, _DEEPEST, {id(found)})


def _within(found: Mapping[Any, Any], tensor: type, depth: int, seen: set[int]) -> Within:
    beside = [name for name, one in found.items() if isinstance(one, tensor)]
    of_weights = any("." in str(name) for name in beside)
    if not depth or of_weights:
        parts = {
            key: Within(one)
            for key, one in found.items()
            if isinstance(one, Mapping) and _is_new(one, seen)
        }
        return Within(found, _named(parts, tensor))
    held: dict[str, Within] = {}
    for key, one in found.items():
        if isinstance(key, str) and isinstance(one, Mapping) and _is_new(one, seen):
            inner = _within(one, tensor, depth - 1, seen)
            if _names(inner.weights, tensor):
                held[key] = inner
    known = [key for key in held if key in _KEYS]
    if len(known) == 1:
        own = held.pop(known[0])
        return Within(own.weights, (*own.beside, *_named(held, tensor)))
    if beside or not held:
        return Within(found)
    if len(held) == 1:
        return next(iter(held.values()))
    some = ", ".join(sorted(map(str, held))[:_MOST_NAMED])
    raise FileFormatError(
        f"holds tensors in {len(held)} dictionaries ({some}), and nothing tells which of them are the weights; save the "
        f"one that has them, or all in one by their whole names, as a file of its own"
    )


def _is_new(one: Mapping[Any, Any], seen: set[int]) -> bool:
    """Each is looked at once: a pickle may hold a dictionary in itself, under any number of keys."""
    new = id(one) not in seen
    seen.add(id(one))
    return new


def _named(parts: Mapping[str, Within], tensor: type) -> tuple[str, ...]:
    """All that dictionaries have by name, each by its key and its own."""
    found, letters = [], 0
    for key, part in parts.items():
        for name in (*_names(part.weights, tensor), *part.beside):
            found.append(f"{key}.{name}")
            letters += _NAMES_OWN + len(found[-1])
            if letters > _MOST_BESIDE:
                raise FileFormatError(
                    "names more tensors beside the weights than any trainer does; save the weights alone"
                )
    return tuple(found)


def _names(found: Mapping[Any, Any], tensor: type) -> list[str]:
    """Of the tensors that it has by name, and not by number as an optimiser's state."""
    return [
        name for name, one in found.items() if isinstance(name, str) and isinstance(one, tensor)
    ]
