"""compressed-tensors: integers packed or not, and 8-bit floats, made floats by that library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...arrays import Tensor
from ...errors import BaseModelError
from ...files.tensors import TensorStore
from .extra import failed, library
from .store import Packed, Scheme

_TITLE = "compressed-tensors"
_PACKED, _SHAPE, _SCALE = "weight_packed", "weight_shape", "weight_scale"
_BITS = 64  # of the widest number that others are packed into
_FORMATS = ("pack-quantized", "int-quantized", "float-quantized", "naive-quantized")


def _find(store: TensorStore, settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    said = settings.get("quantization_config")
    if not isinstance(said, Mapping) or said.get("quant_method") != _TITLE:
        return {}
    found = {}
    for scale in sorted(store.files):
        path, dot, last = scale.rpartition(".")
        if last != _SCALE:
            continue
        begins = f"{path}{dot}weight"
        first = next((n for n in (f"{path}{dot}{_PACKED}", begins) if n in store.files), None)
        if first is not None:
            names = (f"{begins}{more}" for more in ("_scale", "_shape", "_zero_point", "_g_idx"))
            found[begins] = (first, *(name for name in names if name in store.files))
    return found


def _shape(packed: Packed) -> tuple[int, ...]:
    stored = packed.store.shape(packed.parts[0])
    if not packed.has(_SHAPE):
        return stored
    said = packed.get(_SHAPE)
    sizes = said.flatten().tolist() if not (said.is_floating_point() or said.is_complex()) else []
    # A number has a bit at least.
    most = _BITS * math.prod(stored)
    if len(sizes) != 2 or min(sizes) < 1 or math.prod(sizes) > most:
        raise BaseModelError(
            f"{packed.name} of {packed.store.source} says that it was {sizes or said.dtype}, expected two whole numbers "
            f"that go with the {list(stored)} that are stored; {packed.instead}"
        )
    return tuple(sizes)


def _read(packed: Packed) -> Tensor:
    said = packed.quantisation
    groups, kind = said.get("config_groups"), said.get("format")
    groups = groups if isinstance(groups, Mapping) else {}
    if kind not in _FORMATS or len(groups) != 1:
        raise BaseModelError(
            f"{packed.store.source} is {_TITLE}' {str(kind)[:80]!r} of {len(groups)} groups; of {', '.join(_FORMATS)} "
            f"those of one group are read; {packed.instead}"
        )
    ((_, group),) = groups.items()
    _shape(packed)
    compressors = library("compressed_tensors.compressors", packed, _TITLE)
    quantization = library("compressed_tensors.quantization", packed, _TITLE)
    path = packed.name.removesuffix("weight")
    parts = {one.removeprefix(path): packed.store.get(one) for one in packed.parts}
    try:
        scheme = quantization.QuantizationScheme(
            **{k: v for k, v in group.items() if k != "format"}
        )
        compressor = compressors.BaseCompressor.get_value_from_registry(kind)
        found: Tensor = compressor.decompress(parts, scheme)["weight"]
    except Exception as error:
        raise failed(packed, _TITLE, error) from None
    return found


SCHEME = Scheme(_TITLE, _find, _shape, _read)
