"""Stand-ins for a base's layers, for PEFT to put its own on: of their kind and shape, with W0 where it is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...arrays import Tensor
from ...bases.weights import BaseWeights
from ...errors import AdapterError, BaseModelError
from ..adapter_files import AdapterFiles
from .order import in_model
from .shapes import shape_of

if TYPE_CHECKING:
    from .methods import Contents

_OF_W0 = ("PSOFT", "MISS")  # of MiSS, only Bat
_MOST = 1 << 28  # numbers of one layer: two GiB in float64


@dataclass(frozen=True)
class StandIn:
    """One layer.

    Attributes:
        shape: Of its weight, as the base has it.
        turned: Whether it is transformers' Conv1D, whose weight is (in, out).
        w0: Its weight; None for zeros that take no memory.
    """

    shape: tuple[int, ...]
    turned: bool = False
    w0: Tensor | None = None

    def as_matrix(self, weight: Tensor) -> Tensor:
        """A weight of this layer as (out, in)."""
        return weight.T if self.turned else weight.flatten(1)

    def layer(self) -> Any:
        """The layer, as PyTorch or transformers have it."""
        import torch

        if self.turned:
            from transformers.pytorch_utils import Conv1D

            with torch.device("meta"):
                made = Conv1D(self.shape[1], self.shape[0])
            made.bias = None
        elif len(self.shape) == 2:
            made = torch.nn.Linear(self.shape[1], self.shape[0], bias=False, device="meta")
        else:
            kinds: dict[int, Any] = {3: torch.nn.Conv1d, 4: torch.nn.Conv2d, 5: torch.nn.Conv3d}
            out, into, *kernel = self.shape
            made = kinds[len(self.shape)](into, out, tuple(kernel), bias=False, device="meta")
        zeros = torch.zeros((), dtype=torch.float64).expand(self.shape)
        made.weight = torch.nn.Parameter(zeros if self.w0 is None else self.w0, requires_grad=False)
        return made


def tree(layers: Mapping[str, StandIn]) -> Any:
    """A module that holds them at their paths, in their order, and nothing else."""
    import torch

    root = torch.nn.Module()
    for path, stand_in in layers.items():
        *parents, last = path.split(".")
        here = root
        for name in parents:
            if name not in here._modules:
                here.add_module(name, torch.nn.Module())
            here = here.get_submodule(name)
        here.add_module(last, stand_in.layer())
    return root


def stand_ins(files: AdapterFiles, found: Contents) -> tuple[dict[str, StandIn], list[str]]:
    """The layers that an adapter is on, in the model's order where that matters, and notes.

    Raises:
        AdapterError: The file does not say their shapes, or which they are, and the base is not there.
        BaseModelError: The base does not fit.
    """
    named, paths = found.peft_type, _paths(files, found)
    needs_w0 = named in _OF_W0 and (named != "MISS" or files.config.get("init_weights") == "bat")
    base, why = _base(files)
    notes: list[str] = []
    if needs_w0:
        notes.append(f"{found.method.title}'s ΔW is made of W0")
        if named == "PSOFT":
            notes.append(
                "PSOFT's is made of W0's singular vectors, as PEFT finds them on this machine"
            )
    layers: dict[str, StandIn] = {}
    for path in paths:
        own = None if needs_w0 else shape_of(files, found, path)
        if base is not None:
            try:
                layers[path] = _of_base(base, path, needs_w0=needs_w0)
                continue
            except BaseModelError:
                if own is None:
                    raise
        if own is None:
            what = "W0" if needs_w0 else "the shapes of W0"
            raise AdapterError(
                f"{files.source} is {found.method.title}, whose ΔW needs {what}: pass --base with the base model ({why})"
            )
        layers[path] = StandIn(_checked(path, own))
    return layers, notes


def _checked(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Few numbers of a file can be the product of very many."""
    if not 2 <= len(shape) <= 5 or min(shape) < 1 or math.prod(shape) > _MOST:
        raise AdapterError(
            f"ΔW of {path} is of shape {shape}, expected a layer of a model, of at most {_MOST:,} numbers"
        )
    return shape


def _base(files: AdapterFiles) -> tuple[BaseWeights | None, str]:
    """The base, where it is here; else why it is not."""
    if files.base_model is None:
        return None, "the adapter names none"
    try:
        return files.open_base(), ""
    except BaseModelError as error:
        if files.base_given is not None:
            raise
        return None, str(error)


def _of_base(base: BaseWeights, path: str, *, needs_w0: bool) -> StandIn:
    import torch

    shape = _checked(path, base.stored_shape(path))
    turned = len(shape) == 2 and base.is_conv1d(path)
    w0 = None
    if needs_w0:
        whole = base.weight(path).to(torch.float32)
        w0 = (whole.T if turned else whole.reshape(shape)).contiguous()
    return StandIn(shape, turned, w0)


def _paths(files: AdapterFiles, found: Contents) -> list[str]:
    """Of the layers; in the model's order, where what they share is dealt out by it."""
    named = found.peft_type
    if not (named == "TINYLORA" or (named == "UNILORA" and not found.layers)):
        return list(found.layers)
    ordered = list(in_model(files, found.method.title))
    if found.layers and set(found.layers) != set(ordered):
        differ = sorted(set(found.layers) ^ set(ordered))
        raise AdapterError(
            f"{files.source} is on other layers than its configuration chooses of its base: {', '.join(differ[:2])}"
        )
    return ordered
