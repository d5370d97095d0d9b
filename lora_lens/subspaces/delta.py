"""ΔW of one layer by its singular vectors, cut at its numerical rank; and W0 by its own.

DoRA's ΔW is dense and made with W0, and so is its decomposition; all others' is of thin factors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..adapter import ModuleFactors
from ..core.factors.decompositions import singular_values
from ..core.factors.dense import beside_identity, values_of_each
from ..core.factors.product_svd import svd_of_product
from ..core.factors.triangle import triangle
from ..core.numbers.either import in_float64
from ..core.numbers.limits import check_range
from ..core.numbers.precision import singular_cutoff
from ..core.numbers.scaled import exponents, of_order_one
from ..errors import AdapterError, LensError, RankError
from .device import Where
from .dimensions import UNTRAINED, zero_error
from .spectra import real_rank

_NORMS = 8  # roundings that a norm of thousands of numbers is off by at most


class Singular(NamedTuple):
    """Singular values above rounding, descending, and their vectors."""

    u: Float[Tensor, "out k"]
    s: Float[Tensor, " k"]
    vh: Float[Tensor, "k in"]


def delta_singular(
    factors: ModuleFactors,
    position: int,
    where: Where,
    w0: Float[Tensor, "out in"] | None = None,
    *,
    sized: bool = True,
) -> Singular:
    """SVD of ΔW = s·B·A of a layer; of its product alone, so free of the gauge.

    Cut at the least of A's and B's numerical ranks, at the resolution of the file, and of the
    product's own, below which the factors have cancelled. Empty for an untrained adapter.

    Args:
        factors: Of the module.
        position: Of the layer.
        where: Device and precision.
        w0: Of the layer, which DoRA's ΔW is made with; others need none.
        sized: Whether the singular values are ΔW's; else those of B·A may stand for them, for whoever asks about directions
            alone, which are the same however large s is.

    Raises:
        AdapterError: It is DoRA and there is no W0.
        LensError: The singular values are out of range of the precision that `where` says.

    Example:
        >>> from lora_lens.subspaces.device import select_device
        >>> a, b = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[1.0], [0.0]]])
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.tensor([-2.0]), (1,))
        >>> u, s, vh = delta_singular(factors, 0, select_device("cpu", "float64"))
        >>> s.round(decimals=6), (u @ s.diag() @ vh)[0].round(decimals=6)  # of −2·B·A
        (tensor([10.], dtype=torch.float64), tensor([-6., -8.], dtype=torch.float64))
    """
    if factors.magnitude is not None:
        return _rescaled_singular(factors, position, where, w0)
    own = factors.ranks[position]
    stored_a, stored_b = factors.a[position, :own], factors.b[position, :, :own]
    # The factors are thin: float64 costs little here, even where W0 is taken in float32.
    a, b = (in_float64(stored.to(where.device)) for stored in (stored_a, stored_b))
    for factor, name in ((a, "A"), (b, "B")):
        check_range(factor, factor.dtype, f"{name} of {factors.names[position]}")
    dense = beside_identity(b, a)
    if dense is None:
        u, s, vh = svd_of_product(b, a)
        s_a, s_b = (singular_values(triangle(tall)) for tall in (a.mT, b))
    else:
        u, s, vh = torch.linalg.svd(dense, full_matrices=False)
        s_a, s_b = values_of_each(s, of_a=dense is a)
    scaling = float(factors.scaling[position])
    rank = real_rank(stored_a, stored_b, s, s_a, s_b, scaling)
    sign = -1.0 if scaling < 0 else 1.0
    s = abs(scaling) * s[:rank] if sized else s[:rank]
    check_range(s, where.dtype, f"ΔW of {factors.names[position]}")
    return Singular(where.take(sign * u[:, :rank]), where.take(s), where.take(vh[:rank]))


def _rescaled_singular(
    factors: ModuleFactors, position: int, where: Where, w0: Tensor | None
) -> Singular:
    if w0 is None:
        raise AdapterError(
            f"ΔW of {factors.module} is DoRA's, which is made with W0: pass --base with the base model, or ask about "
            f"its factors A and B alone"
        )
    delta = rescaled_delta(factors, position, w0)
    check_range(delta, where.dtype, f"ΔW of {factors.names[position]}")
    u, s, vh = torch.linalg.svd(where.take(delta), full_matrices=False)
    scale = torch.linalg.matrix_norm(w0.to(delta.dtype)) / min(w0.shape) ** 0.5
    rank = int((s > 10 * torch.finfo(where.dtype).eps * float(scale)).sum())
    if _is_at_its_start(factors, position, delta, w0):
        rank = 0
    return Singular(u[:, :rank], s[:rank], vh[:rank])


def _is_at_its_start(
    factors: ModuleFactors,
    position: int,
    delta: Float[Tensor, "out in"],
    w0: Float[Tensor, "out in"],
) -> bool:
    """Whether s·B·A is zero and m the norms of W0 but for their rounding, as before any training.

    Else ΔW counts as it is, the rounding of a half-precision m in it: that is what was trained with, and is merged.
    """
    own, scaling = factors.ranks[position], float(factors.scaling[position])
    if scaling and factors.a[position, :own].any() and factors.b[position, :, :own].any():
        return False
    assert factors.magnitude is not None
    eps = max(torch.finfo(one.dtype).eps for one in (factors.magnitude, w0))
    return bool((delta.abs() <= _NORMS * eps * w0.to(delta.dtype).abs()).all())


def rescaled_delta(
    factors: ModuleFactors, position: int, w0: Float[Tensor, "out in"]
) -> Float[Tensor, "out in"]:
    """DoRA's ΔW = diag(m/‖V‖)·V − W0 with V = W0 + s·B·A, dense, in float64; ‖V‖ is the norm of each row.

    The norm is taken of the rows of W0 as (out, in), as PEFT takes it of Linear, Conv1D, convolutions
    (over in·height·width) and embeddings (over tokens). A magnitude `by_column` is of input channels
    instead, over out, and of a convolution over height and width too. Where the module has a
    `norm_scaling`, the norms are of W0 + norm_scaling·B·A, as the library that trained it took them.

    Raises:
        AdapterError: The adapter has no magnitude, or a row (or channel) of V is zero.
        LensError: V is out of float64's range.

    Example:
        >>> from dataclasses import replace
        >>> a, b = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[2.0], [0.0]]])
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.tensor([0.5]), (1,))
        >>> doubled = replace(factors, magnitude=torch.tensor([[10.0, 1.0]]))  # V's first row is (3, 4)
        >>> rescaled_delta(doubled, 0, torch.tensor([[0.0, 0.0], [0.0, 1.0]])).round(decimals=6)
        tensor([[6., 8.],
                [0., 0.]], dtype=torch.float64)
    """
    if factors.magnitude is None:
        raise AdapterError(f"{factors.module} has no magnitude, which DoRA's ΔW is made of")
    own = factors.ranks[position]
    a, b, m, dense = (
        in_float64(each)
        for each in (
            factors.a[position, :own],
            factors.b[position, :, :own],
            factors.magnitude[position],
            w0,
        )
    )
    v = for_norms = dense + float(factors.scaling[position]) * (b @ a)
    if factors.norm_scaling is not None:
        for_norms = dense + float(factors.norm_scaling[position]) * (b @ a)
    # Of an s that is out of all proportion squares would leave float64, and what is over ‖V‖ does not.
    power = exponents(v) - exponents(for_norms)
    v, for_norms = of_order_one(v), of_order_one(for_norms)
    if not bool(torch.isfinite(v).all() & torch.isfinite(for_norms).all()):
        raise LensError(
            f"W0 + s·B·A of {factors.names[position]} leaves the range of float64 at s = {float(factors.scaling[position]):.3g}; "
            f"expected the α that it was trained with"
        )
    # (out, channels, columns of a channel)
    cells, measured = (
        one.reshape(len(v), len(m), -1) if factors.by_column else one[:, None]
        for one in (v, for_norms)
    )
    norms = torch.linalg.vector_norm(measured, dim=(0, 2) if factors.by_column else (1, 2))
    if not bool((norms > 0).all()):
        what = "an input channel" if factors.by_column else "a row"
        raise AdapterError(
            f"{what} of W0 + s·B·A of {factors.names[position]} is zero, which DoRA cannot rescale"
        )
    ratio = (m / norms).ldexp(power)
    scale = ratio[None, :, None] if factors.by_column else ratio[:, None, None]
    return (scale * cells).reshape(v.shape) - dense


def trained_singular(
    factors: ModuleFactors,
    position: int,
    where: Where,
    w0: Float[Tensor, "out in"] | None = None,
    *,
    sized: bool = True,
) -> Singular:
    """`delta_singular` where there must be a subspace.

    Raises:
        RankError: ΔW is zero there.

    Example:
        >>> from lora_lens.subspaces.device import select_device
        >>> a, b = torch.ones(1, 1, 2), torch.zeros(1, 2, 1)
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (1,))
        >>> trained_singular(factors, 0, select_device("cpu", "float64"))
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: ΔW of value is zero in layer 0: the adapter is untrained there, and a zero matrix has no singular subspace
    """
    found = delta_singular(factors, position, where, w0, sized=sized)
    if not len(found.s):
        raise zero_delta(factors, position)
    return found


def check_scaling(factors: ModuleFactors) -> None:
    """Nothing, where s is not 0 anywhere, or DoRA's magnitudes make a ΔW all the same.

    Raises:
        RankError: ΔW is s·B·A, and zero.

    Example:
        >>> a, b = torch.ones(1, 1, 2), torch.ones(1, 2, 1)
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.zeros(1), (1,))
        >>> check_scaling(factors)
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: ΔW of value is zero in layer 0: its scaling is 0, and a zero matrix has no singular subspace
    """
    if factors.magnitude is None:
        for position, scaling in enumerate(factors.scaling.tolist()):
            if not scaling:
                raise zero_delta(factors, position)


def zero_delta(factors: ModuleFactors, position: int) -> RankError:
    """That ΔW of a layer, which is zero, has no singular subspace, and why it is zero.

    Example:
        >>> a, b = torch.ones(1, 1, 2), torch.zeros(1, 2, 1)
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (1,))
        >>> zero_delta(factors, 0)
        RankError('ΔW of value is zero in layer 0: the adapter is untrained there, and a zero matrix has no singular subspace')
    """
    said = f"ΔW of {factors.module} is zero in layer {factors.layers[position]}"
    return zero_error(said, _why_zero(factors, position))


def _why_zero(factors: ModuleFactors, position: int) -> str:
    if not float(factors.scaling[position]):
        return "its scaling is 0"
    own = factors.ranks[position]
    product = factors.a[position, :own].any() and factors.b[position, :, :own].any()
    return "its factors cancel" if product and factors.magnitude is None else UNTRAINED


def weight_singular(
    w0: Float[Tensor, "out in"],
    where: Where,
    *,
    name: str,
    stored: torch.dtype | None = None,
) -> Singular:
    """Thin SVD of a dense matrix, without the vectors of singular values that are rounding.

    O(out·in·min(out, in)) time, and memory for a few matrices of its size.

    Args:
        w0: One layer's matrix.
        where: Device and precision.
        name: Whose it is, for the message.
        stored: Precision that its entries were stored in, where it is not their dtype any more.

    Raises:
        RankError: The matrix is zero.
        LensError: Its entries are out of range of the precision.

    Example:
        >>> from lora_lens.subspaces.device import select_device
        >>> w0 = torch.tensor([[0.0, 3.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1e-9]])  # and float32's rounding
        >>> u, s, vh = weight_singular(w0, select_device("cpu", "float64"), name="W0")
        >>> s.round(decimals=6), torch.allclose(u @ s.diag() @ vh, w0.double())
        (tensor([3., 2.], dtype=torch.float64), True)
    """
    check_range(w0, where.dtype, name)
    u, s, vh = torch.linalg.svd(where.take(w0), full_matrices=False)
    cutoff = singular_cutoff(stored or w0.dtype, where.dtype, (w0.shape[0], w0.shape[1]))
    rank = int((s > cutoff * s[0]).sum())
    if rank == 0:
        raise zero_error(f"{name} is all zero")
    return Singular(u[:, :rank], s[:rank], vh[:rank])
