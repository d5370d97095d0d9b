"""Tensors of a file as factors, their shapes at once and their numbers when asked for; and single numbers."""

from __future__ import annotations

import math
from typing import Any

from ...arrays import Stored, dtype_name
from ...errors import AdapterError
from ...files.tensors import TensorStore
from ...updates import Factor


def factor_of(
    store: TensorStore, name: str, *, transposed: bool = False, unfolded: bool = False
) -> Factor:
    """A tensor of two axes as a factor; `AdapterFiles.factor`."""
    shape = store.shape(name)
    if unfolded and len(shape) > 2:
        shape = (shape[0], math.prod(shape[1:]))
    if len(shape) != 2:
        raise AdapterError(f"{name} has {len(shape)} axes, expected a matrix")

    def turned(found: Any) -> Any:
        if found is None:
            return None
        found = _computable(found)
        return found.T if transposed else found.reshape(shape) if unfolded else found

    return Factor(
        name,
        shape[::-1] if transposed else shape,
        read=lambda: turned(store.get(name)),
        release=lambda: store.release(name),
        array=lambda: turned(store.array(name)),
        stored=lambda: _stored(store, name, shape, transposed),
    )


def column_of(store: TensorStore, name: str) -> Factor:
    """A tensor of numbers in a row as a column; `AdapterFiles.column`."""
    shape = store.shape(name)
    length = math.prod(shape)
    if length not in (*shape, 1):
        raise AdapterError(f"{name} has shape {shape}, expected numbers in a row")

    def turned(found: Any) -> Any:
        return None if found is None else _computable(found).reshape(length, 1)

    return Factor(
        name,
        (length, 1),
        read=lambda: turned(store.get(name)),
        release=lambda: store.release(name),
        array=lambda: turned(store.array(name)),
    )


def number_of(store: TensorStore, name: str) -> float:
    """The one number of a tensor; `AdapterFiles.number`."""
    if math.prod(store.shape(name)) != 1:
        raise AdapterError(f"{name} has shape {store.shape(name)}, expected one number")
    found = store.get(name)
    if found.is_complex():
        raise AdapterError(f"{name} holds {dtype_name(found.dtype)}, expected a real number")
    return float(found)


def _computable(found: Any) -> Any:
    """Numbers as they are, but for floats of eight bits, of which torch computes with none."""
    return found.float() if dtype_name(found.dtype).startswith("float8") else found


def _stored(
    store: TensorStore, name: str, shape: tuple[int, ...], transposed: bool
) -> Stored | None:
    found = store.place(name)
    return found and Stored(*found, shape[0], shape[1], transposed)
