"""Floats of 8 bits with scales beside them: DeepSeek's and transformers' blocks, rows, or one number a weight.

W0 is the stored number times its scale, whatever the scale is called: ``weight_scale_inv`` in blocks,
``weight_scale`` a row or a whole weight, ComfyUI's ``scale_weight``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...arrays import Tensor, dtype_name
from ...errors import BaseModelError
from ...files.tensors import TensorStore
from .store import Packed, Scheme
from .unquantised import instead

_ALONE = ("torch.float8_e4m3fn", "torch.float8_e5m2")  # without a scale, too, numbers of a model
_SCALES = ("weight_scale_inv", "weight_scale", "scale_weight")
# Beside a layer's weight, of what goes into it or comes out.
_OF_OTHERS = ("input", "activation", "output", "q_scale", "k_scale", "v_scale")


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


def scales_of(names: Collection[str], weight: str) -> list[str]:
    """Tensors that by their names are a scale of a weight, whatever they are called; sorted.

    Example:
        >>> scales_of(["q.weight", "q.input_scale", "q.weight_scale_2", "q.bias"], "q.weight")
        ['q.weight_scale_2']
        >>> scales_of(["experts.up_proj", "experts.up_proj_scale_inv"], "experts.up_proj")
        ['experts.up_proj_scale_inv']
    """
    stem = weight.removesuffix(".weight")
    begins = (f"{stem}.", f"{weight}_")
    rest = {name: name.removeprefix(stem) for name in names if name.startswith(begins)}
    return sorted(
        name
        for name, end in rest.items()
        if ("scale" in end or "absmax" in end or "scaling" in end)
        and "." not in end[1:].removeprefix("weight.")
        and not any(other in end for other in _OF_OTHERS)
    )


def _read(packed: Packed) -> Tensor:
    name, at = packed.parts
    more = [one for one in scales_of(packed.store.files, name) if one != at]
    if more:
        raise BaseModelError(
            f"{name} of {packed.store.source} has several scales beside it, {at} and {', '.join(more)}: which numbers are "
            f"multiplied by which is not known; {packed.instead}"
        )
    stored, scale = packed.store.get(name), packed.store.get(at)
    kind = dtype_name(stored.dtype)
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


def unscaled(
    w0: Tensor, name: str, store: TensorStore, settings: Mapping[str, Any], source: str
) -> Tensor:
    """Floats of 8 bits that nothing beside them scales are numbers as they are, which few can compute with.

    Args:
        w0: A tensor, or a slice of one, of any dtype.
        name: Its name.
        store: What it is of.
        settings: The base's configuration.
        source: Of the base.

    Raises:
        BaseModelError: Something scales them by its name, and it is not known how.
    """
    if str(w0.dtype) not in _ALONE or "quantization_config" in settings:
        return w0
    if scales := scales_of(store.files, name):
        raise BaseModelError(
            f"{name} of {source} is in 8-bit floats beside {scales[0]}, a scale by its name: which of its numbers that "
            f"multiplies is not known; {instead(source, settings, store.find)}"
        )
    return w0.float()


SCHEME = Scheme("8-bit floats", _find, lambda packed: packed.store.shape(packed.name), _read)
