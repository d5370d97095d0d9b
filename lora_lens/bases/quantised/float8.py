"""Floats of 8 bits with scales beside them: DeepSeek's and transformers' blocks, rows, or one number a weight.

W0 is the stored number times its scale, whatever the scale is called: ``weight_scale_inv`` in blocks,
``weight_scale`` a row or a whole weight, ComfyUI's ``scale_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...arrays import Tensor
from ...errors import BaseModelError
from ...files.tensors import TensorStore
from .store import Packed, Scheme

_SCALES = ("weight_scale_inv", "weight_scale", "scale_weight")


def _find(store: TensorStore, settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    said = settings.get("quantization_config")
    if isinstance(said, Mapping) and said.get("quant_method") == "compressed-tensors":
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for scale in sorted(store.files):
        path, dot, last = scale.rpartition(".")
        name = f"{path}{dot}weight"
        if last in _SCALES and name in store.files and name not in found:
            found[name] = (name, scale)
    return found


def _read(packed: Packed) -> Tensor:
    name, at = packed.parts
    stored, scale = packed.store.get(name), packed.store.get(at)
    kind = str(stored.dtype).removeprefix("torch.")
    if not kind.startswith("float8") or stored.ndim != 2:
        raise BaseModelError(
            f"{name} of {packed.store.source} is a {stored.ndim}-dimensional {kind} tensor beside {at}, expected a "
            f"matrix of 8-bit floats; {packed.instead}"
        )
    if not scale.is_floating_point():
        raise BaseModelError(
            f"{at} of {packed.store.source} holds {scale.dtype}, expected floats; {packed.instead}"
        )
    whole = _spread(scale.float(), (stored.shape[0], stored.shape[1]), packed, at)
    return stored.float() * whole


def _spread(scale: Tensor, shape: tuple[int, int], packed: Packed, at: str) -> Tensor:
    """A scale as wide as what it multiplies: one number, a column, or a number a block."""
    if scale.numel() == 1:
        return scale.reshape(1, 1)
    if tuple(scale.shape) in ((shape[0],), (shape[0], 1)):
        return scale.reshape(-1, 1)
    block = packed.quantisation.get("weight_block_size")
    if (
        isinstance(block, list)
        and len(block) == 2
        and all(isinstance(n, int) and n > 0 for n in block)
    ):
        fits = tuple(-(-size // step) for size, step in zip(shape, block, strict=True))
        if tuple(scale.shape) == fits:
            rows = scale.repeat_interleave(block[0], 0)[: shape[0]]
            return rows.repeat_interleave(block[1], 1)[:, : shape[1]]
    raise BaseModelError(
        f"{at} of {packed.store.source} has shape {tuple(scale.shape)} for a weight of {shape[0]}x{shape[1]}, and "
        f"weight_block_size is {block!r}: which number is of which entries is not known; {packed.instead}"
    )


SCHEME = Scheme("8-bit floats", _find, lambda packed: packed.store.shape(packed.name), _read)
