"""Factors made of other factors: some rows or columns of one, two below each other or side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...arrays import Either, Tensor
from ...core.numbers.either import in_float64, namespace
from ...updates import Factor


def rows_of(factor: Factor, start: int, stop: int) -> Factor:
    """The rows from `start` to before `stop`."""
    shape = (stop - start, factor.shape[1])
    return changed(factor, f"rows of {factor.name}", shape, lambda found: found[start:stop])


def reordered(factor: Factor, rows: Sequence[int]) -> Factor:
    """All rows, in another order: the first is that of the first number."""
    order = list(rows)
    return changed(factor, factor.name, factor.shape, lambda found: found[order])


def columns_of(factor: Factor, first: int, step: int) -> Factor:
    """Every `step`-th column from `first` on."""
    shape = (factor.shape[0], len(range(first, factor.shape[1], step)))
    return changed(factor, f"columns of {factor.name}", shape, lambda found: found[:, first::step])


def columns_picked(factor: Factor, columns: Sequence[int]) -> Factor:
    """Some columns, in the order of their numbers in `columns`."""
    picked = list(columns)
    shape = (factor.shape[0], len(picked))
    return changed(factor, factor.name, shape, lambda found: found[:, picked])


def columns_weighted(factor: Factor, weights: Sequence[float]) -> Factor:
    """The columns of a factor, each times its own number, in float64."""

    def change(found: Either) -> Either:
        xp = namespace(found)
        return in_float64(found) * xp.asarray(weights, dtype=xp.float64)

    return changed(factor, factor.name, factor.shape, change)


def rows_weighted(factor: Factor, weights: Factor) -> Factor:
    """The rows of a factor, each times its own number of a column of weights; as PEFT multiplies, not in less than float32."""

    def read() -> Tensor:
        import torch

        found, by = factor.read(), weights.read()
        to = torch.promote_types(torch.promote_types(found.dtype, by.dtype), torch.float32)
        return found.to(to) * by.to(to)

    def release() -> None:
        factor.release()
        weights.release()

    return Factor(factor.name, factor.shape, read, release)


def transposed(factor: Factor) -> Factor:
    """The factor with its axes changed."""
    return changed(factor, factor.name, factor.shape[::-1], lambda found: found.T)


def changed(
    factor: Factor, name: str, shape: tuple[int, ...], change: Callable[[Any], Any]
) -> Factor:
    """What is made of one factor's numbers, be they NumPy's or torch's, when they are asked for."""

    def array() -> Either | None:
        found = factor.array()
        return None if found is None else change(found)

    return Factor(name, shape, lambda: change(factor.read()), factor.release, array)


def below(one: Factor, other: Factor) -> Factor:
    """One factor with another of as many columns below it."""
    shape = (one.shape[0] + other.shape[0], one.shape[1])
    return _joined(one, other, shape, 0, 1.0)


def side_by_side(one: Factor, other: Factor, *, sign: float = 1.0) -> Factor:
    """One factor with another of as many rows to its right, that one times a sign."""
    shape = (one.shape[0], one.shape[1] + other.shape[1])
    return _joined(one, other, shape, 1, sign)


def _joined(one: Factor, other: Factor, shape: tuple[int, ...], axis: int, sign: float) -> Factor:
    def read() -> Tensor:
        import torch

        return torch.cat([one.read(), sign * other.read()], axis)

    def array() -> Either | None:
        first, second = one.array(), other.array()
        if first is None or second is None:
            return None
        return namespace(first).concatenate([first, sign * second], axis)

    def release() -> None:
        one.release()
        other.release()

    return Factor(f"{one.name} and {other.name}", shape, read, release, array)
