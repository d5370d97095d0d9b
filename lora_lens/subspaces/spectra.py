"""Singular values of ΔW of one layer, from its factors alone; torch is not loaded for NumPy's arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ..adapter import LayerFactors
from ..core.factors.decompositions import singular_values
from ..core.factors.dense import beside_identity, values_of_each
from ..core.factors.rank import rank_of, rank_of_product, stored_eps
from ..core.factors.triangle import triangle
from ..core.numbers.either import as_numpy, as_torch, in_float64, namespace, swapped
from ..core.numbers.limits import check_range
from ..errors import LensError
from ..labelled import Array
from .device import Where


def layer_values(parts: Sequence[LayerFactors], where: Where | None = None) -> Array:
    """Singular values of ΔW of one layer of a module, or of the blocks of a fused projection below each other.

    Those above rounding, descending, in float64; none for an untrained adapter.

    Args:
        parts: The layer; or all blocks of one path, in their order, which share A.
        where: A device to compute on; by default the CPU, by NumPy where the file allows it.

    Raises:
        LensError: Squares of the factors' entries, or ΔW's singular values, are out of range.

    Example:
        >>> a, b = np.array([[3.0, 4.0]]), np.array([[2.0], [0.0]])
        >>> layer = LayerFactors("value", 0, "0.value", 1, 2, 2, -0.5, None, lambda: (a, b))
        >>> layer_values([layer]).round(6), layer_values([layer, layer]).round(6)  # and B twice, below itself
        (array([5.]), array([7.071068]))
    """
    read = [one.read() for one in parts]
    a, b = read[0]
    if len(read) > 1:
        b = namespace(b).concatenate([rows for _, rows in read])
    if where is not None:
        a, b = as_torch(a, where.device), as_torch(b, where.device)
    found = as_numpy(_delta_values(a, b, parts[0].scaling, parts[0].name))
    for one in parts:
        one.release()
    return found


def _delta_values(
    a: Float[Any, "rank in"], b: Float[Any, "out rank"], scaling: float, name: str
) -> Float[Any, " k"]:
    """Singular values of ΔW = s·B·A above rounding, descending, in float64; none for an untrained adapter.

    Cut at the least of A's and B's numerical ranks, at the resolution of the file, and of the
    product's own, below which the factors have cancelled. Free of the gauge.

    Args:
        a, b: In the dtype of the file, both of NumPy or both of torch.
        scaling: s.
        name: The module's path, for the message.

    Raises LensError where squares of the entries, or the singular values themselves, are out of range.
    """
    wide_a, wide_b = in_float64(a), in_float64(b)
    for factor, letter in ((wide_a, "A"), (wide_b, "B")):
        check_range(factor, factor.dtype, f"{letter} of {name}")
    s, rank = values_of_product(a, b, scaling)
    with np.errstate(over="ignore"):  # said below
        s = abs(scaling) * s[:rank]
    check_within_float64(s, scaling, name)
    return s


def check_within_float64(s: Float[Any, " k"], scaling: float, name: str) -> None:
    """Raise LensError where singular values of ΔW, s·B·A, are not finite.

    Args:
        s: They, descending.
        scaling: s.
        name: The module's path, for the message.

    Example:
        >>> check_within_float64(np.array([1e300]), 1e299, "value")
        >>> check_within_float64(np.array([np.inf]), 1e308, "value")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: ΔW of value leaves the range of float64 at s = 1e+308; expected the α that it was trained with
    """
    if len(s) and not math.isfinite(float(s[0])):
        raise LensError(
            f"ΔW of {name} leaves the range of float64 at s = {scaling:.3g}; expected the α that it was trained with"
        )


def values_of_product(
    a: Float[Any, "rank in"], b: Float[Any, "out rank"], scaling: float
) -> tuple[Float[Any, " k"], int]:
    """Singular values of B·A, descending, in float64, and how many of s·B·A are more than rounding.

    Args:
        a, b: In the dtype of the file, both of NumPy or both of torch.
        scaling: s.

    Example:
        >>> a, b = np.array([[3.0, 4.0], [3.0, 4.0]]), np.array([[2.0, -2.0], [0.0, 1e-3]])
        >>> s, rank = values_of_product(a, b, 1.0)
        >>> s.round(6), rank
        (array([0.005, 0.   ]), 1)
    """
    wide_a, wide_b = in_float64(a), in_float64(b)
    dense = beside_identity(wide_b, wide_a)
    if dense is None:
        r_a, r_b = triangle(swapped(wide_a)), triangle(wide_b)
        s = singular_values(r_b @ swapped(r_a))
        s_a, s_b = singular_values(r_a), singular_values(r_b)
    else:
        s = singular_values(dense)
        s_a, s_b = values_of_each(s, of_a=dense is wide_a)
    return s, real_rank(a, b, s, s_a, s_b, scaling)


def real_rank(
    a: Float[Any, "rank in"],
    b: Float[Any, "out rank"],
    s: Float[Any, " k"],
    s_a: Float[Any, " m"],
    s_b: Float[Any, " n"],
    scaling: float,
) -> int:
    """How many singular values of s·B·A are more than rounding.

    Args:
        a, b: In the dtype of the file.
        s, s_a, s_b: Singular values of B·A, of A and of B, descending, in the dtype to compute in.
        scaling: s.

    Example:
        >>> eye, ones, s = np.eye(3), np.ones(3), np.array([1.0, 1.0, 1e-20])
        >>> [real_rank(eye, eye, s, ones, ones, scaling) for scaling in (2.0, 0.0)]
        [2, 0]
    """
    real = rank_of_product(s, s_a[0] * s_b[0], max(b.shape[0], a.shape[1]))
    ranks = [
        int(rank_of(values, (factor.shape[0], factor.shape[1]), stored_eps(factor)))
        for values, factor in ((s_a, a), (s_b, b))
    ]
    return min(*ranks, int(real) if scaling else 0)
