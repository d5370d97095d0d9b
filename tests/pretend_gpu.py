"""A pretend GPU: tensors that say they are on ``cuda:0`` and refuse what CUDA's refuse, computed on the CPU.

No machine that tests this has a card, so the first to see a tensor that was left on the CPU would be a user who has one.
Here whatever mixes devices raises, as do ``numpy()``, a generator of the other device and a product of integers, which
CUDA has not. Digits, speed and memory are the CPU's: of those it says nothing, and there is no backward pass.

Other threads can compute with what is on the card, but put nothing there: torch's modes are of one thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CARD = torch.device("cuda", 0)
_TORCH = {
    "is_available": lambda: True,
    "_lazy_init": lambda: None,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "synchronize": lambda _=None: None,
    "get_device_name": lambda _=None: "a pretend card",
}
_aten = torch.ops.aten
_ACROSS = (_aten.copy_, _aten._to_copy)
_INDEXING = (_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_)
_OF_A_VALUE = (_aten.fill, _aten.fill_, _aten.masked_fill, _aten.masked_fill_)
_PRODUCTS = (
    _aten.mm, _aten.bmm, _aten.addmm, _aten.addmm_, _aten.baddbmm, _aten.baddbmm_, _aten.mv, _aten.addmv, _aten.dot,
)  # fmt: skip


class OnCard(Tensor):
    """A tensor of the pretend card; `held` has its numbers, and shares them with its views."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> OnCard:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=CARD,
        )
        made.held = held
        return made

    def tolist(self) -> Any:  # which torch has of no subclass
        return self.held.tolist()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"OnCard({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, op: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(op, args, kwargs or {})


class GeneratorOnCard(torch.Generator):
    """A generator of the pretend card."""

    @property
    def device(self) -> torch.device:
        return CARD


class _Called(TorchFunctionMode):
    """Says which card ``cuda`` is, before torch asks CUDA; and sees generators as they are passed."""

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {name: _numbered(value) for name, value in (kwargs or {}).items()}
        if (generator := named.get("generator")) is not None:
            where = args[0].device if isinstance(args[0], Tensor) else named.get("device") or "cpu"
            wanted, own = torch.device(where).type, generator.device.type
            if wanted != own:
                raise RuntimeError(
                    f"Expected a '{wanted}' device type for generator but found '{own}'"
                )
        return function(*map(_numbered, args), **named)


def _numbered(x: Any) -> Any:
    return CARD if isinstance(x, str | torch.device) and str(x) == "cuda" else x


class PretendGPU(TorchDispatchMode):
    """Sees, too, what makes a tensor on the card of none that is there: factories, and copies.

    Attributes:
        computed: How many operations were on it.
        pinned: How many tensors of the CPU were in pages that it could read by itself.
    """

    device = CARD

    def __init__(self) -> None:
        super().__init__()
        self.computed = self.pinned = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # which takes seconds to load
        return False

    def __torch_dispatch__(self, op: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        self.pinned += bool(kwargs.pop("pin_memory", False))
        found = _computed(op, args, kwargs)
        self.computed += isinstance(found, OnCard)
        return found


@contextmanager
def pretended_gpu() -> Iterator[PretendGPU]:
    """The block in which torch has a card; afterwards it has none, and another error says so: CUDA counts as started."""
    lifted = torch._C._only_lift_cpu_tensors()
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, _guarded():
        for name, value in _TORCH.items():
            patch.setattr(torch.cuda, name, value)
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor's come as a copy then
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # `OnCard` is another type
        try:
            with _Called(), PretendGPU() as card:
                yield card
        finally:
            torch._C._set_only_lift_cpu_tensors(lifted)
            torch.__future__.set_overwrite_module_params_on_conversion(overwritten)


@contextmanager
def _guarded() -> Iterator[None]:
    """With a guard of CUDA's devices, which a torch without CUDA lacks and asks for at ``x[0]`` and ``bool(x)``: the CPU's, which does nothing."""
    name = "_ZN3c104impl26device_guard_impl_registryE"
    try:
        library = ctypes.CDLL(str(next((Path(torch.__file__).parent / "lib").glob("libc10.*"))))
        guards = (ctypes.c_void_p * 2).in_dll(library, name)  # by c10::DeviceType: CPU, CUDA
    except (StopIteration, OSError, ValueError) as error:
        pytest.skip(f"no card can be pretended with this torch: {error}")
    own, guards[1] = guards[1], guards[0]
    try:
        yield
    finally:
        guards[1] = own


def _computed(op: Any, args: Any, kwargs: Any) -> Any:
    """What torch finds, and where CUDA would have it."""
    tensors = [x for x in _flat((*args, *kwargs.values())) if isinstance(x, Tensor)]
    on_card = any(isinstance(x, OnCard) for x in tensors)
    if on_card:
        _check(op, tensors, args, kwargs)
    asked = kwargs.get("device")
    there = on_card if asked is None else torch.device(asked).type == "cuda"
    held = {name: _changed(_held, x) for name, x in kwargs.items()}
    if asked is not None and there:
        held["device"] = torch.device("cpu")
    found = op(*(_changed(_held, x) for x in args), **held)
    if op._schema.is_mutable and op._schema.returns:
        written = _written(op, args, kwargs)
        return written[0] if isinstance(found, Tensor) else tuple(written)
    return _changed(OnCard, found) if there else found


def _held(x: Tensor) -> Tensor:
    return x.held if isinstance(x, OnCard) else x


def _changed(change: Callable[[Tensor], Tensor], x: Any) -> Any:
    """With each of its tensors changed."""
    if isinstance(x, Tensor):
        return change(x)
    return type(x)(_changed(change, one) for one in x) if isinstance(x, list | tuple) else x


def _flat(x: Any) -> Iterator[Any]:
    for one in x:
        yield from _flat(one) if isinstance(one, list | tuple) else (one,)


def _written(op: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The arguments that it writes over, which are its results, too."""
    named = dict(zip((each.name for each in op._schema.arguments), args, strict=False)) | kwargs
    return [
        named[each.name]
        for each in op._schema.arguments
        if each.alias_info is not None and each.alias_info.is_write
    ]


def _check(op: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> None:
    """Raise what CUDA does."""
    if op.overloadpacket in _PRODUCTS and not tensors[0].is_floating_point():
        raise RuntimeError(f'"{op}" on CUDA not implemented for {tensors[0].dtype}')
    welcome = {id(x) for x in _of_the_cpu(op, tensors, args, kwargs)}
    if any(not isinstance(x, OnCard) and id(x) not in welcome for x in tensors):
        where = ", ".join(f"{x.device}{tuple(x.shape)}" for x in tensors)
        raise RuntimeError(f"Expected all tensors to be on the same device; {op} got {where}")


def _of_the_cpu(op: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> list[Tensor]:
    """The arguments that CUDA takes from the CPU beside its own; by ATen's native functions and TensorIterator.cpp."""
    packet = op.overloadpacket
    if packet in _ACROSS:
        return tensors
    if packet in _INDEXING:  # indices are moved to what is indexed, one number is put anywhere
        indices = [x for x in args[1] if x is not None] if isinstance(args[0], OnCard) else []
        sums = kwargs.get("accumulate", len(args) > 3 and args[3])
        return indices + [x for x in args[2:3] if x.ndim == 0 and not sums]
    numbers = [x for x in tensors if x.ndim == 0]
    if packet is _aten.where:
        return numbers
    if packet in _OF_A_VALUE:
        return [x for x in numbers if x is args[-1]]
    if torch.Tag.pointwise not in op.tags:
        return []
    written = _written(op, args, kwargs) if op._schema.is_mutable else []
    read = [x for x in tensors if not any(x is other for other in kwargs.values())]
    own = [x for x in numbers if not any(x is other for other in written)]
    return own if len(read) == 2 else []  # TensorIterator's allow_cpu_scalars: of two
