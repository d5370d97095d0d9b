"""bitsandbytes' 4 and 8 bits as transformers saves them, made floats by bitsandbytes on the CPU.

Its own code reads where the sizes in the file lead it, past the ends of tensors too, and is asked for
nothing that does not fit together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ...arrays import Tensor, dtype_name
from ...errors import BaseModelError
from ...files.tensors import TensorStore
from .extra import failed, library
from .store import Packed, Scheme

_STATE = re.compile(r"(?P<name>.+)\.quant_state\.bitsandbytes__(?P<kind>nf4|fp4)")
_PARTS = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
_4, _8 = "bitsandbytes' 4 bits", "bitsandbytes' 8 bits"
_BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)  # numbers that have one scale
_FLOATS = ("float32", "float16", "bfloat16")
_CODES = 256  # of eight bits, each of which has a number


def _find_4(store: TensorStore, _: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {}
    for state in sorted(store.files):
        match = _STATE.fullmatch(state)
        if match and match["name"] in store.files:
            name = match["name"]
            more = (f"{name}.{part}" for part in _PARTS)
            found[name] = (name, state, *(one for one in more if one in store.files))
    return found


def _state(packed: Packed) -> Mapping[str, Any]:
    """What stands beside the numbers: their shape, in which blocks and as what they were stored."""
    at = next(one for one in packed.parts if _STATE.fullmatch(one))
    try:
        found = json.loads(bytes(packed.get(at).tolist()))
        shape, kind = found["shape"], _STATE.fullmatch(at)
        if not (shape and all(_is_size(size) for size in shape)):
            raise ValueError(shape)
        if kind is None or found["quant_type"] != kind["kind"]:
            raise ValueError(kind)
        if found["blocksize"] not in _BLOCKS or found["dtype"] not in _FLOATS:
            raise ValueError(found)
        if packed.has(".nested_absmax") and not (
            _is_size(found["nested_blocksize"])
            and found["nested_dtype"] in _FLOATS
            and isinstance(found["nested_offset"], (int, float))
        ):
            raise ValueError(found)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BaseModelError(
            f"{packed.name} of {packed.store.source} has a broken quant_state; {packed.instead}"
        ) from None
    return dict(found)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _shape_4(packed: Packed) -> tuple[int, ...]:
    shape = tuple(_state(packed)["shape"])
    stored = packed.store.get(packed.name)
    _check(packed, packed.name, stored.numel() * stored.itemsize, -(-math.prod(shape) // 2))
    return shape


def _check(packed: Packed, name: str, have: int, expected: int) -> None:
    if have != expected:
        raise BaseModelError(
            f"{name} of {packed.store.source} holds {have:,} numbers, expected {expected:,} by its quant_state; "
            f"{packed.instead}"
        )


def _check_parts(packed: Packed, parts: Mapping[str, Tensor]) -> None:
    """Refuse what its own code would read past the end of, or as other numbers than they are."""
    state = _state(packed)
    blocks = -(-math.prod(_shape_4(packed)) // state["blocksize"])
    sizes: dict[str, tuple[int, tuple[str, ...]]] = {"absmax": (blocks, _FLOATS)}
    if "nested_absmax" in parts:
        sizes = {
            "absmax": (blocks, ("uint8",)),
            "nested_absmax": (-(-blocks // state["nested_blocksize"]), ("float32",)),
            "nested_quant_map": (_CODES, ("float32",)),
        }
    for name, (count, kinds) in sizes.items():
        one = parts.get(name)
        held = "nothing" if one is None else dtype_name(one.dtype)
        if one is None or held not in kinds:
            raise BaseModelError(
                f"{packed.name}.{name} of {packed.store.source} holds {held}, expected {kinds[0]}; {packed.instead}"
            )
        _check(packed, f"{packed.name}.{name}", one.numel(), count)


def _read_4(packed: Packed) -> Tensor:
    functional = library("bitsandbytes.functional", packed, _4)
    # By the names that its own loading gives them: what follows the weight's.
    parts = {
        one.removeprefix(f"{packed.name}."): packed.store.get(one).contiguous()
        for one in packed.parts
        if one != packed.name
    }
    _check_parts(packed, parts)
    stored = packed.store.get(packed.name).contiguous()
    try:
        state = functional.QuantState.from_dict(parts, "cpu")
        # As a column: a row would be turned.
        found: Tensor = functional.dequantize_4bit(stored.reshape(-1, 1), state)
    except Exception as error:
        raise failed(packed, _4, error) from None
    return found


def _find_8(store: TensorStore, _: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {}
    for scale in sorted(store.files):
        path, dot, last = scale.rpartition(".")
        name = f"{path}{dot}weight"
        if last == "SCB" and name in store.files:
            order = f"{path}{dot}weight_format"
            found[name] = (name, scale, *([order] if order in store.files else []))
    return found


def _read_8(packed: Packed) -> Tensor:
    functional = library("bitsandbytes.functional", packed, _8)
    if packed.has(".weight_format") and packed.get(".weight_format").flatten().tolist() != [0]:
        raise BaseModelError(
            f"{packed.name} of {packed.store.source} lies as a GPU wants it, not row by row; {packed.instead}"
        )
    stored, scale = packed.store.get(packed.name), packed.get(".SCB")
    fits = stored.ndim == 2 and scale.numel() == stored.shape[0] and scale.is_floating_point()
    if str(stored.dtype) != "torch.int8" or not fits:
        raise BaseModelError(
            f"{packed.name} of {packed.store.source} is {tuple(stored.shape)} of {stored.dtype} beside an SCB of "
            f"{tuple(scale.shape)} of {scale.dtype}, expected a matrix of int8 and a float a row; {packed.instead}"
        )
    try:
        found: Tensor = functional.int8_vectorwise_dequant(stored, scale.flatten().float())
    except Exception as error:
        raise failed(packed, _8, error) from None
    return found


FOUR_BITS = Scheme(_4, _find_4, _shape_4, _read_4)
EIGHT_BITS = Scheme(_8, _find_8, lambda packed: packed.store.shape(packed.name), _read_8)
