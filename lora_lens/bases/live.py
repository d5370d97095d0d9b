"""W0 of a model in memory: each layer says itself how it lies and how it is quantised."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float

from ..arrays import Tensor
from ..errors import BaseModelError
from ..files.names import is_number
from .as_stored import checked, is_convolution
from .experts import WHOLE_STACKS, is_input_first
from .weights import BaseWeights

_DEQUANTISING = "peft.utils.integrations"  # loaded with PEFT, which the layers are made by

IN_MEMORY = " (in memory)"  # at the end of what such a base is called
_NUMBERS = ("weight", "W_q")  # the second is HQQ's


@dataclass(frozen=True)
class LiveWeights(BaseWeights):
    """A model's own weights, which are read from its layers.

    Attributes:
        layers: Path of each layer to what holds its W0: a linear layer, or PEFT's layer around one.
    """

    layers: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def weight(self, path: str, expected: tuple[int, int] | None = None) -> Float[Tensor, "out in"]:
        """W0 of the layer at `path`, as (out, in), on the CPU; of a quantised one, what its library makes of it.

        Raises:
            BaseModelError: There is no such layer; an adapter has been merged into it; or W0 is no matrix
                of finite floats.
        """
        own = self._expert(path, expected)
        if own is None and path not in self.layers:
            module, _, name = path.rpartition(".")
            own = self._parameter(path, module, name, axes=2)
        if own is not None:
            return checked(own.detach().cpu(), path, self.source)
        layer = self._layer(path)
        _check_not_merged(path, layer)
        inner = _inner(layer)
        if all(getattr(inner, name, None) is None for name in _NUMBERS):
            raise BaseModelError(f"{path} of {self.source} has no weight of its own")
        w0 = _dequantised(inner).detach().cpu()
        if is_convolution(tuple(w0.shape), expected):
            w0 = w0.flatten(1)
        w0 = checked(w0, path, self.source)
        # Of one of ``target_parameters`` PEFT adds ΔW as a table lies.
        table = _is_embedding(inner) and not hasattr(layer, "parameter_name")
        return w0.T if table or _is_conv1d(inner) else w0

    def release(self, path: str) -> None:
        """Nothing: they are the model's own."""

    def _path(self, path: str) -> str:
        # The model has what its files have not: a copy of a layer is a layer.
        return path

    def is_conv1d(self, path: str) -> bool:
        """Whether the layer at `path` is transformers' Conv1D, which holds W0 as (in, out)."""
        return _is_conv1d(_inner(self._layer(path)))

    def _expert(self, path: str, expected: tuple[int, int] | None) -> Tensor | None:
        """W0 of ``….experts.3.down_proj``, a slice of the stack that the experts' module holds; None of other paths."""
        module, _, name = path.rpartition(".")
        parent, _, number = module.rpartition(".")
        holder, own = (f"{parent}.{name}", "weight") if name in WHOLE_STACKS else (parent, name)
        stack = None if path in self.layers else self._parameter(path, holder, own, axes=3)
        if stack is None or not is_number(number) or int(number) >= len(stack):
            return None
        w0 = stack[int(number)]
        said = getattr(_inner(self.layers[holder]), "is_transposed", False)
        return w0.T if said or is_input_first(tuple(w0.shape), expected, self.configuration) else w0

    def _parameter(self, path: str, module: str, name: str, *, axes: int) -> Any:
        """A parameter that a module holds itself; None where it has none of that name and so many axes."""
        layer = self.layers.get(module)
        found = getattr(_inner(layer), name, None)
        if getattr(found, "ndim", 0) != axes:
            return None
        _check_not_merged(path, layer)
        return found

    def _layer(self, path: str) -> Any:
        if path not in self.layers:
            raise BaseModelError(f"{self.source} has no layer {path} with a weight")
        return self.layers[path]


def why_merged(path: str, layer: Any) -> str | None:
    """What has been merged into a layer's W0, and what to do about it; None where nothing has.

    Args:
        path: Of the layer.
        layer: PEFT's, or any other.
    """
    merged = getattr(layer, "merged_adapters", ())
    if not merged:
        return None
    return (
        f"{path} has {', '.join(merged)} merged into W0, so that W0 is not the base model's any more; "
        f"call unmerge_adapter() first"
    )


def _check_not_merged(path: str, layer: Any) -> None:
    while layer is not None:  # one around another: a parameter each, or of several methods
        if why := why_merged(path, layer):
            raise BaseModelError(why)
        layer = getattr(layer, "base_layer", None)


def _inner(layer: Any) -> Any:
    # Of modules_to_save PEFT's wrapper gives the attributes of the trained copy, or of W0 by what is active.
    layer = getattr(layer, "original_module", layer)
    found = getattr(layer, "get_base_layer", None)
    return found() if callable(found) else layer


def _is_conv1d(layer: Any) -> bool:
    return any(
        kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers.")
        for kind in type(layer).__mro__
    )


def _is_embedding(layer: Any) -> bool:
    return any(
        kind.__name__ == "Embedding" and kind.__module__.startswith("torch.nn.")
        for kind in type(layer).__mro__
    )


def _dequantised(layer: Any) -> Any:
    """A layer's weight in floats, by PEFT, which knows the libraries that quantise."""
    library = sys.modules.get(_DEQUANTISING)
    return library.dequantize_module_weight(layer) if library else layer.weight
