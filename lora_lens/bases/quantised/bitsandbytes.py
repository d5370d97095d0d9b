"""bitsandbytes' 4 and 8 bits as transformers saves them, made floats by bitsandbytes on the CPU."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ...arrays import Tensor
from ...errors import BaseModelError
from ...files.tensors import TensorStore
from .extra import failed, library
from .store import Packed, Scheme

_STATE = re.compile(r"(?P<name>.+)\.quant_state\.bitsandbytes__(?:nf4|fp4)")
_PARTS = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
_4, _8 = "bitsandbytes' 4 bits", "bitsandbytes' 8 bits"


_MOST_OF_ONE = 16  # numbers of four bits in one of what they are packed into, at most eight bytes


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
    said = packed.get(next(one for one in packed.parts if _STATE.fullmatch(one)))
    try:
        found = json.loads(bytes(said.tolist()))
        shape = found["shape"]
        if not all(isinstance(size, int) and size > 0 for size in shape):
            raise ValueError(shape)
        if math.prod(shape) > _MOST_OF_ONE * math.prod(packed.store.shape(packed.name)):
            raise ValueError("more numbers than are stored")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BaseModelError(
            f"{packed.name} of {packed.store.source} has a broken quant_state; {packed.instead}"
        ) from None
    return dict(found)


def _shape_4(packed: Packed) -> tuple[int, ...]:
    return tuple(_state(packed)["shape"])


def _read_4(packed: Packed) -> Tensor:
    functional = library("bitsandbytes.functional", packed, _4)
    _state(packed)
    # By the names that its own loading gives them: what follows the weight's.
    parts = {
        one.removeprefix(f"{packed.name}."): packed.store.get(one)
        for one in packed.parts
        if one != packed.name
    }
    try:
        state = functional.QuantState.from_dict(parts, "cpu")
        found: Tensor = functional.dequantize_4bit(packed.store.get(packed.name), state)
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
    if packed.has(".weight_format") and int(packed.get(".weight_format")) != 0:
        raise BaseModelError(
            f"{packed.name} of {packed.store.source} lies as a GPU wants it, not row by row; {packed.instead}"
        )
    try:
        found: Tensor = functional.int8_vectorwise_dequant(
            packed.store.get(packed.name), packed.get(".SCB").float()
        )
    except Exception as error:
        raise failed(packed, _8, error) from None
    return found


FOUR_BITS = Scheme(_4, _find_4, _shape_4, _read_4)
EIGHT_BITS = Scheme(_8, _find_8, lambda packed: packed.store.shape(packed.name), _read_8)
