"""What the files of PEFT's other methods say of the shapes of the layers that they are on, without the base."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ..adapter_files import AdapterFiles

if TYPE_CHECKING:
    from .methods import Contents

_Own = Mapping[str, tuple[int, ...]]  # the last words of a tensor's name → its shape


def shape_of(files: AdapterFiles, found: Contents, path: str) -> tuple[int, ...] | None:
    """Shape of the weight of the layer at `path`; None where the method's tensors do not say it.

    A convolution that is not decomposed is a matrix of as many columns, which its ΔW is read as anyway.
    """
    rule = _RULES.get(found.peft_type)
    return None if rule is None else rule(_own(files, found, path))


def _own(files: AdapterFiles, found: Contents, path: str) -> _Own:
    prefix = found.method.prefix
    names: Iterable[str] = (*found.layers.get(path, ()), *found.shared)
    return {prefix + name.partition(f".{prefix}")[2]: files.shape(name) for name in names}


def _loha(own: _Own) -> tuple[int, ...]:
    if "hada_t1" in own:
        return (own["hada_w1_a"][1], own["hada_w1_b"][1], *own["hada_t1"][2:])
    return own["hada_w1_a"][0], own["hada_w1_b"][1]


def _lokr(own: _Own) -> tuple[int, ...]:
    def whole(letter: str) -> tuple[int, ...]:
        if f"lokr_{letter}" in own:
            return own[f"lokr_{letter}"]
        if letter == "w2" and "lokr_t2" in own:
            return (own["lokr_w2_a"][1], own["lokr_w2_b"][1], *own["lokr_t2"][2:])
        return own[f"lokr_{letter}_a"][0], own[f"lokr_{letter}_b"][1]

    one, other = whole("w1"), whole("w2")
    return (one[0] * other[0], one[1] * other[1], *other[2:])


def _vblora(own: _Own) -> tuple[int, ...]:
    length = own["vblora_vector_bank"][1]
    into, out = (
        next(shape for name, shape in own.items() if name.startswith(f"vblora_logits_{letter}"))
        for letter in "AB"
    )
    return out[0] * length, into[1] * length


def _c3a(own: _Own) -> tuple[int, ...]:
    rows, columns, block = own["c3a_kernel"]
    return rows * block, columns * block


def _delora(own: _Own) -> tuple[int, ...]:
    return own["delora_B"][0], own["delora_A"][1]


def _gralora(own: _Own) -> tuple[int, ...]:
    a, b = own["gralora_A"], own["gralora_B"]
    return b[0] * b[2], a[0] * a[1]


_RULES: Mapping[str, Callable[[_Own], tuple[int, ...]]] = {
    "LOHA": _loha,
    "LOKR": _lokr,
    "VBLORA": _vblora,
    "C3A": _c3a,
    "DELORA": _delora,
    "GRALORA": _gralora,
}
