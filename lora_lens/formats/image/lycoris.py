"""LyCORIS's updates as two factors, exactly: a core between factors, LoHa, LoKr.

LoHa is the element-wise product of two low-rank matrices, LoKr the Kronecker product of two matrices
that may be low-rank; either's rank is the product of theirs. Numbers are made in float64 when they are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Tensor
from ...core.factors.structured import Pair, at_most_square, hadamard, kronecker, of_core, whole
from ...errors import AdapterError
from ...updates import Factor, LowRank
from ..adapter_files import AdapterFiles

_MOST = 1 << 28  # two GiB in float64
Parts = Mapping[str, str]
Scale = Callable[[int | None], float]
_Shape = tuple[int, ...]


def tucker(files: AdapterFiles, parts: Parts, scaling: float, tensors: tuple[str, ...]) -> LowRank:
    """LoCon with a core: ΔW[o, i, …] = s·Σ up[o, p]·mid[p, q, …]·down[q, i]."""
    up, core, down = (files.shape(parts[part]) for part in ("up", "mid", "down"))
    fits = len(core) > 2 and core[:2] == (up[1], down[0]) and prod(down[2:]) == 1
    _check(fits, parts["mid"], core, f"({up[1]}, {down[0]}, height, width)")

    def pair() -> Pair:
        above, below = (_numbers(files, parts[part]) for part in ("up", "down"))
        return of_core(_flat(above), _numbers(files, parts["mid"]), _flat(below))

    shape = (up[0], up[1], down[1] * prod(core[2:]))
    return _update(files, pair, shape, scaling, tensors)


def hada(files: AdapterFiles, path: str, parts: Parts, scale: Scale) -> LowRank:
    """LoHa: ΔW = s·(w1_a·w1_b) ⊙ (w2_a·w2_b), or of two Tucker decompositions for a convolution."""
    names = [f"hada_w{k}_{letter}" for k in (1, 2) for letter in "ab"]
    _need(files, path, parts, names)
    sides = [_Side(files, parts, f"hada_w{k}", f"hada_t{k}") for k in (1, 2)]
    (rows, first, columns), (more_rows, second, more_columns) = (side.shape for side in sides)
    _check(
        (rows, columns) == (more_rows, more_columns), parts["hada_w2_a"],
        (more_rows, more_columns), f"a matrix of {rows}x{columns}, as w1",
    )  # fmt: skip

    def pair() -> Pair:
        return at_most_square(hadamard(sides[0].pair(), sides[1].pair()))

    shape = (rows, min(first * second, rows, columns), columns)
    return _update(files, pair, shape, scale(files.shape(parts["hada_w1_b"])[0]), _used(parts))


def lokr(files: AdapterFiles, path: str, parts: Parts, scale: Scale) -> LowRank:
    """LoKr: ΔW = s·w1 ⊗ w2, each whole or of two factors; s is 1 where both are whole."""
    for k in (1, 2):
        if f"lokr_w{k}" not in parts:
            _need(files, path, parts, [f"lokr_w{k}_a", f"lokr_w{k}_b"])
    sides = [_Side(files, parts, f"lokr_w{k}", f"lokr_t{k}") for k in (1, 2)]
    (rows, first, columns), (more_rows, second, more_columns) = (side.shape for side in sides)
    small = files.shape(parts.get("lokr_w1") or parts["lokr_w1_b"])
    _check(len(small) == 2, parts.get("lokr_w1") or parts["lokr_w1_b"], small, "a matrix")

    def pair() -> Pair:
        return at_most_square(kronecker(sides[0].pair(), sides[1].pair()))

    rows, columns = rows * more_rows, columns * more_columns
    ranks = [files.shape(parts[f"lokr_w{k}_b"])[0] for k in (1, 2) if f"lokr_w{k}" not in parts]
    shape = (rows, min(first * second, rows, columns), columns)
    return _update(files, pair, shape, scale(ranks[0] if ranks else None), _used(parts))


class _Side:
    """One of the two matrices of a product: whole, of two factors, or of two with a core between.

    With a core the factors are (rank, rows) and (rank, columns), without it (rows, rank) and (rank, columns).
    """

    def __init__(self, files: AdapterFiles, parts: Parts, stem: str, core: str) -> None:
        self._files = files
        self._whole = parts.get(stem)
        self._core = parts.get(core)
        self._a, self._b = parts.get(f"{stem}_a"), parts.get(f"{stem}_b")
        if self._whole and self._a:
            raise AdapterError(f"{self._whole} is whole, and {self._a} a factor of the same matrix")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, rank, columns."""
        found = self._shape()
        _check_size(str(self._whole or self._a), *found)
        return found

    def _shape(self) -> tuple[int, int, int]:
        files = self._files
        if self._whole:
            rows, *rest = files.shape(self._whole)
            return rows, min(rows, prod(rest)), prod(rest)
        a, b = files.shape(str(self._a)), files.shape(str(self._b))
        if self._core:
            core = files.shape(self._core)
            fits = len(a) == len(b) == 2 and core[:2] == (a[0], b[0])
            _check(fits, self._core, core, f"({a[0]}, {b[0]}, height, width)")
            return a[1], a[0], b[1] * prod(core[2:])
        # OneTrainer's of a convolution has a pixel's two axes at the first factor too.
        rank = a[1] if len(a) >= 2 and prod(a[2:]) == 1 else 0
        _check(b[0] == rank, str(self._b), b, f"{rank or a[-1]} rows, as {self._a} has columns")
        return a[0], rank, prod(b[1:])

    def pair(self) -> Pair:
        if self._whole:
            return whole(_flat(_numbers(self._files, self._whole)))
        a, b = (_numbers(self._files, str(name)) for name in (self._a, self._b))
        if self._core:
            return of_core(a.T, _numbers(self._files, self._core), b)
        return _flat(a), _flat(b)


def _update(
    files: AdapterFiles,
    pair: Callable[[], Pair],
    shape: tuple[int, int, int],
    scaling: float,
    tensors: tuple[str, ...],
) -> LowRank:
    """`shape`: out, rank, in."""
    out, rank, columns = shape
    _check_size(tensors[0], *shape)

    def release() -> None:
        for name in tensors:
            files.tensors.release(name)

    def factor(which: int, size: _Shape) -> Factor:
        def array() -> NDArray[Any]:
            with np.errstate(over="ignore", invalid="ignore"):  # `check` names what is not finite
                return np.ascontiguousarray(pair()[which])

        def read() -> Tensor:
            import torch

            return torch.from_numpy(array())

        return Factor(tensors[0], size, read, release, array)

    return LowRank(factor(1, (rank, columns)), factor(0, (out, rank)), scaling, tensors)


def _check_size(name: str, out: int, rank: int, columns: int) -> None:
    """Few numbers of a file can be the product of very many."""
    if max(out * columns, (out + columns) * rank) > _MOST:
        raise AdapterError(
            f"{name} is of a product of {out:,}x{columns:,} at rank {rank:,}, more than the {_MOST:,} numbers "
            f"that are read of one layer; expected a layer of a model"
        )


def _numbers(files: AdapterFiles, name: str) -> NDArray[np.float64]:
    found = files.tensors.array(name)
    if found is None:
        found = files.tensors.get(name).double().numpy()
    if found.dtype.kind != "f":
        raise AdapterError(f"{name} holds {found.dtype}, expected floats")
    return found.astype(np.float64)


def _flat(found: NDArray[np.float64]) -> NDArray[np.float64]:
    return found.reshape(len(found), -1)


def _used(parts: Parts) -> tuple[str, ...]:
    """The tensors of the product, and its α."""
    return tuple(name for part, name in parts.items() if part.startswith(("hada", "lokr", "alpha")))


def _need(files: AdapterFiles, path: str, parts: Parts, names: list[str]) -> None:
    lacking = [name for name in names if name not in parts]
    if lacking:
        raise AdapterError(f"{files.source}: {path} has no {lacking[0]}")


def _check(fits: bool, name: str, found: _Shape, expected: str) -> None:
    if not fits:
        raise AdapterError(f"{name} has shape {tuple(found)}, expected {expected}")
