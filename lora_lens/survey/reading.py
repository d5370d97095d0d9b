"""Adapters read once for what they have where, and again, place by place, for its numbers alone."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any

from ..adapter import Adapter, FusedRows, LayerFactors, Placement
from ..arrays import Stored, Tensor
from ..core.numbers.either import is_torch
from ..errors import AdapterError, LensError
from ..formats.loading import load_adapter
from ..printable import one_line
from ..updates import Convention
from .escaped import escaped_line

if TYPE_CHECKING:
    from ..bases.weights import BaseWeights

_DIGEST = 16  # bytes


@dataclass(frozen=True, slots=True)  # there are as many as adapters times places
class Piece:
    """One adapter's factors at one place: what they are, and where they lie.

    Attributes:
        adapter: Its number in the survey.
        path: Of the adapter, as it was found.
        module, layer, name, part, rank, out_features, in_features, scaling, rescaled: As in `lora_lens.adapter.LayerFactors`.
        called: Its path by what it is: of a role of a fused projection the role's, and else `name`.
        digest: Of the numbers and s; not of the type that they were stored in, up to float32.
        stored: A and B in their file; None where they are made of what lies there.
    """

    adapter: int
    path: str
    module: str
    layer: int | None
    name: str
    called: str
    part: FusedRows | None
    rank: int
    out_features: int
    in_features: int
    scaling: float
    rescaled: bool
    digest: str
    stored: tuple[Stored, Stored] | None


@dataclass(frozen=True)
class Known:
    """What a survey knows of an adapter beside its pieces.

    Attributes:
        path: As it was found.
        method, base, base_commit: As in `lora_lens.Adapter`.
        from_w0: Whether A and B are made of W0.
        caveats: As in `lora_lens.Adapter`.
        of_base: What is to be said of its base, where W0 is read.
        rescaled: Whether its ΔW is DoRA's, of which s·B·A alone is looked at.
        fan_in_fan_out: As its configuration says.
        placement: Where its base has W0 that is not where its path says.
        convention: How a CondLoRA adapter makes A from W0; None for others.
    """

    path: str
    method: str
    base: str | None
    base_commit: str | None
    from_w0: bool
    caveats: tuple[str, ...]
    of_base: tuple[str, ...]
    rescaled: bool
    fan_in_fan_out: bool
    placement: Placement
    convention: Convention | None


@dataclass(frozen=True)
class ReadTask:
    """Some adapters to be read once.

    Attributes:
        paths: Their paths.
        first: The number of the first.
        base: As in `lora_lens.load_adapter`.
        of_w0: Whether W0 will be read.
    """

    paths: tuple[str, ...]
    first: int
    base: str | None
    of_w0: bool


@dataclass(frozen=True)
class Unread:
    """An adapter that could not be read, and why, in one line."""

    path: str
    reason: str


def read_adapter(
    path: str, number: int, base: str | None, *, w0: Callable[[], BaseWeights] | None = None
) -> tuple[Known, list[Piece]] | Unread:
    """What an adapter has where. Whatever is wrong with it is said, and nothing raised.

    Args:
        path: Of the adapter.
        number: Of it in the survey.
        base: As in `lora_lens.load_adapter`.
        w0: Gives where W0 will be read from, which is then to be of the adapter's architecture.
    """
    try:
        adapter = load_adapter(path, base)
        of_base = () if w0 is None else _of_its_base(adapter, w0())
        layers = list(adapter.each_layer())
        patterns = adapter.patterns
        pieces = [_piece(path, number, one, patterns[one.module]) for one in layers]
    except MemoryError:
        raise
    except Exception as error:  # whatever a stranger's file makes a reader do, the others go on
        told = str(error) if isinstance(error, LensError) else f"{type(error).__name__}: {error}"
        return Unread(path, without_path(path, escaped_line(told)))
    known = Known(
        path, adapter.method, adapter.base_model, adapter.base_commit,
        adapter.from_w0, adapter.caveats, of_base, any(one.rescaled for one in layers), adapter.fan_in_fan_out, adapter.origin.placement,
        adapter.convention,
    )  # fmt: skip
    return known, pieces


def without_path(path: str, reason: str) -> str:
    """A reason that stands beside the path, which it names as it is, by what can be seen of it as our own errors do, or quoted."""
    for shown in dict.fromkeys((escaped_line(path), escaped_line(one_line(path)))):
        reason = reason.removeprefix(f"{shown}: ").removeprefix(f"{shown} ")
        reason = reason.replace(f"{shown}{os.sep}", "")
        reason = reason.replace(f"in or under {shown}:", "in or under it:")
    return reason.removeprefix(f"the path {path!r} ")


def _of_its_base(adapter: Adapter, weights: BaseWeights) -> tuple[str, ...]:
    """What is to be said of the adapter's base, which is checked to be of its architecture, and of both."""
    from ..bases.along import along_said
    from ..bases.of_adapter import open_base_of

    weights = open_base_of(adapter, weights)
    return (*weights.notes, *along_said(adapter, weights))


def _piece(path: str, number: int, one: LayerFactors, pattern: str) -> Piece:
    a, b = one.read()
    digest = digest_of(a, b, one.scaling)
    stored = one.stored()
    one.release()
    return Piece(
        number, path, intern(one.module), one.layer, intern(one.name), intern(_in_layer(pattern, one.layer)), one.part,
        one.rank, one.out_features, one.in_features, one.scaling, one.rescaled, digest, stored,
    )  # fmt: skip


def _in_layer(pattern: str, layer: int | None) -> str:
    """The path of one of a pattern's layers."""
    words = pattern.partition("@")[0].split(".")
    return ".".join(str(layer) if word == "*" else word for word in words)


def digest_of(a: Any, b: Any, scaling: float) -> str:
    """Of A's and B's numbers, their shapes, and s; the same of arrays and of tensors, and of half precision and float32."""
    found = hashlib.sha256(repr(float(scaling)).encode())
    for factor in (a, b):
        found.update(f"{tuple(factor.shape)}".encode())
        found.update(_bytes(factor))
    return found.hexdigest()[: 2 * _DIGEST]


def _bytes(factor: Any) -> Any:
    """Of the numbers, row by row; shorter types as float32, which NumPy has of bfloat16."""
    if is_torch(factor):
        import torch

        wide = factor.float() if factor.dtype.itemsize < torch.float32.itemsize else factor
        return wide.contiguous().flatten().view(torch.uint8).numpy()
    import numpy as np

    wide = factor.astype(np.float32) if factor.dtype.itemsize < 4 else factor
    return np.ascontiguousarray(wide).reshape(-1).view(np.uint8)


def read_factors(piece: Piece, base: str | None) -> tuple[Tensor, Tensor]:
    """A and B of a piece, in the dtype of the file.

    Raises:
        AdapterError: It is not what it was when the survey began.
    """
    if piece.stored is None:
        return _read_again(piece, base)
    try:
        a, b = (_at(one) for one in piece.stored)
    except OSError as error:
        raise AdapterError(f"{piece.path} cannot be read any more: {error}") from None
    if digest_of(a, b, piece.scaling) != piece.digest:
        raise _changed(piece)
    return a, b


def _changed(piece: Piece) -> AdapterError:
    return AdapterError(f"{piece.path} was written to while it was surveyed; run the survey again")


def _at(stored: Stored) -> Tensor:
    import torch

    dtype = getattr(torch, stored.dtype)
    length = math.prod((stored.rows, stored.columns)) * dtype.itemsize
    buffer = bytearray(length)
    with stored.path.open("rb", buffering=0) as stream:
        stream.seek(stored.start)
        if stream.readinto(buffer) != length:
            raise OSError(f"{stored.path} is shorter than it was")
    matrix = torch.frombuffer(buffer, dtype=dtype).reshape(stored.rows, stored.columns)
    return matrix.mT if stored.transposed else matrix


def _read_again(piece: Piece, base: str | None) -> tuple[Tensor, Tensor]:
    """From the adapter as a whole, for what is made of its tensors."""
    import torch

    adapter = load_adapter(piece.path, base)
    found = next(
        (
            one
            for one in adapter.each_layer()
            if (one.name, one.module, one.layer) == (piece.name, piece.module, piece.layer)
        ),
        None,
    )
    if found is None or (found.rank, found.scaling) != (piece.rank, piece.scaling):
        raise _changed(piece)
    a, b = found.read()
    if digest_of(a, b, piece.scaling) != piece.digest:
        raise AdapterError(
            f"{piece.path} gives other numbers than when the survey began: it, or the base that its factors are made of, was written to "
            f"while it was surveyed, or this machine rounds otherwise than the one that read it; run the survey again, on machines of one kind"
        )
    return torch.as_tensor(a), torch.as_tensor(b)
