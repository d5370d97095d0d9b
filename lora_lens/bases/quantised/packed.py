"""Weights packed in ways that are not unpacked here, told by their names: each is refused where it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...arrays import Tensor
from ...errors import BaseModelError
from ...files.tensors import TensorStore
from .store import Packed, Scheme

# How the packed tensor's name ends, who packs so, and what stands beside it.
_WAYS = (
    (".qweight", "GPTQ or AWQ", ".scales"),
    (".W_q", "HQQ", ".meta"),
    (".W_q", "HQQ", ".scale"),
    (".weight._data", "quanto", ".weight._scale"),
    (".weight", "MLX", ".scales"),
    (".weight", "torchao", ".weight_scale_and_zero"),
    (".weight_packed", "compressed-tensors", ".weight_scale"),
    (".weight", "EETQ", ".weight_scales"),
)
_FUSED = re.compile(r"(?P<name>.+_proj)_blocks")  # gpt-oss' experts, in MXFP4


def _find(store: TensorStore, settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    known = settings.get("quantization_config")
    compressed = isinstance(known, Mapping) and known.get("quant_method") == "compressed-tensors"
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(store.files):
        if (fused := _FUSED.fullmatch(name)) and f"{fused['name']}_scales" in store.files:
            found[fused["name"]] = (name, f"{fused['name']}_scales")
        for ending, _, beside in _WAYS:
            if not name.endswith(ending) or (ending == ".weight_packed" and compressed):
                continue
            path = name.removesuffix(ending)
            if path + beside in store.files:
                found[f"{path}.weight"] = (name, path + beside)
    return found


def _refused(packed: Packed) -> BaseModelError:
    said = packed.quantisation.get("quant_method")
    name, beside = packed.parts
    how = next(
        (who for ending, who, other in _WAYS if name.endswith(ending) and beside.endswith(other)),
        "MXFP4",
    )
    return BaseModelError(
        f"{packed.name} of {packed.store.source} is quantised by {said if isinstance(said, str) else how}, whose "
        f"numbers are not unpacked here; {packed.instead}"
    )


def _shape(packed: Packed) -> tuple[int, ...]:
    raise _refused(packed)


def _read(packed: Packed) -> Tensor:
    raise _refused(packed)


SCHEME = Scheme("packing", _find, _shape, _read)
