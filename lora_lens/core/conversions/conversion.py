"""Conversion matrices W0⁻¹Aᵀ and W0⁻¹B: factor W0 once, solve for many right-hand sides.

Kim et al. 2024, Eq. 3 and 4. Everything is float64.

Two conventions (`Convention`):

============== ====================== ============== ===============================================
convention     A                      B              for
============== ====================== ============== ===============================================
``stored``     ``W0 X = Aᵀ``          ``W0 X = B``   square, invertible W0; the authors' code
``consistent`` ``W0ᵀ X = Aᵀ``         ``W0 X = B``   any W0, by the pseudo-inverse; as Eq. 5 and 6
============== ====================== ============== ===============================================
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple, get_args, overload

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...errors import LensError, SingularError
from ...plain_torch import in_plain_torch
from ...updates import Convention
from ..numbers.checked import Array, as_tensors, stacked
from ..numbers.either import FLOAT32_EPS, in_float64
from ..numbers.precision import singular_cutoff
from ..numbers.scaled import exponents, of_order_one
from ..solving.condition import condition_number
from ..solving.factoring import Factored, factor, factoring_dtype
from ..solving.solvers import Solver
from .beside import Beside

ConventionChoice = Literal["auto", "stored", "consistent"]
_OF_W0 = 64  # times a precision: how near W0's own span is known, more or less


def check_convention(asked: str) -> None:
    """Raise LensError where there is no such convention.

    Example:
        >>> check_convention("inverse")
        Traceback (most recent call last):
        lora_lens.errors.LensError: convention is 'inverse', expected 'auto', 'stored' or 'consistent'
    """
    if asked not in get_args(ConventionChoice):
        raise LensError(f"convention is {asked!r}, expected 'auto', 'stored' or 'consistent'")


def convention_by_shape(asked: ConventionChoice, rows: int, columns: int) -> Convention:
    """The convention asked for; under ``auto`` by the shape of W0.

    Example:
        >>> convention_by_shape("auto", 3, 3), convention_by_shape("auto", 3, 5)
        ('stored', 'consistent')
        >>> convention_by_shape("consistent", 3, 3)
        'consistent'
    """
    if asked == "auto":
        return "stored" if rows == columns else "consistent"
    return asked


class RankDeficientWarning(UserWarning):
    """W0 is rank-deficient, and the Moore-Penrose solution stands in for its inverse."""


class ConversionMatrices(NamedTuple):
    """The conversion matrices of A and of B, and how well W0 is conditioned.

    ``a`` is (..., in, r) under ``stored`` and (..., out, r) under ``consistent``; ``b`` is
    (..., in, r); ``condition_number`` has W0's own leading axes. That of the product, W0⁻¹BA, is
    ``b @ A``: keep it factored.
    """

    a: Float[Any, "*batch d r"]
    b: Float[Any, "*batch in r"]
    condition_number: Float[Any, "*layers"]


@overload
def conversion_matrices(
    w0: Tensor, a: Tensor, b: Tensor, *, convention: ConventionChoice = "auto"
) -> ConversionMatrices: ...
@overload
def conversion_matrices(
    w0: Array, a: Array, b: Array, *, convention: ConventionChoice = "auto"
) -> ConversionMatrices: ...
@in_plain_torch
def conversion_matrices(
    w0: Tensor | Array,
    a: Tensor | Array,
    b: Tensor | Array,
    *,
    convention: ConventionChoice = "auto",
) -> ConversionMatrices:
    """What turns W0 into A and into B: W0⁻¹Aᵀ (or W0⁻ᵀAᵀ) and W0⁻¹B (Kim et al. 2024, Eq. 3, 4).

    Leading axes broadcast: with one W0 and the factors of many adapters W0 is factored once.

    Args:
        w0: (..., out, in), frozen weights as PyTorch stores them.
        a: (..., r, in), LoRA's A.
        b: (..., out, r), LoRA's B.
        convention: ``stored`` solves with W0 as it is for both, as the released code does, and needs it
            square and invertible; ``consistent`` solves for A with W0ᵀ, by the pseudo-inverse, for W0
            of any shape; ``auto`` is ``stored`` where W0 is square, else ``consistent``.

    Returns:
        Of the same kind (torch's or NumPy's) and device, in float64, without gradients; by the Moore-Penrose solution
        where W0 is rectangular or, under ``consistent``, rank-deficient by the cut-off of `singular_cutoff` (its condition
        number is then infinite).

    Warns:
        RankDeficientWarning: W0 is rank-deficient, under ``consistent``.

    Raises:
        SingularError: Under ``stored`` W0 is not square, or is rank-deficient by that cut-off.
        LensError: The shapes do not go together, there is no such convention, W0, A and B are on several devices, or one is
            not real or holds NaN or infinite values.

    Example:
        >>> w0, a, b = torch.eye(3) * 2, torch.ones(1, 3), torch.ones(3, 1)
        >>> conversion_matrices(w0, a, b).b.T
        tensor([[0.5000, 0.5000, 0.5000]], dtype=torch.float64)
        >>> conversion_matrices(w0, torch.ones(4, 1, 3), torch.ones(4, 3, 1)).b.shape  # of four adapters
        torch.Size([4, 3, 1])
    """
    w0, a, b = stacked(W0=w0, A=a, B=b)
    weight, of_a, of_b = as_tensors(W0=w0, A=a, B=b)
    shape = (weight.shape[-2], weight.shape[-1])
    check_convention(convention)
    settled = convention_by_shape(convention, *shape)
    if settled == "stored" and shape[0] != shape[1]:
        raise SingularError(
            f"W0 is {shape[0]}x{shape[1]}; 'stored' needs it square: use 'consistent'"
        )
    beside = Beside.of(weight, of_a, of_b)
    of_a, of_b = (beside.joined(in_float64(x.detach())) for x in (of_a.mT, of_b))
    computing, stored = of_a.dtype, weight.dtype
    layers = weight.detach().to(factoring_dtype(shape, stored, computing)).reshape(-1, *shape)
    power = exponents(layers)[:, None, None]
    layers = of_order_one(layers)
    factored = factor(layers, singular_cutoff(stored, computing, shape), computing)
    _check_full_rank(factored, settled)
    found = convert(factored.solver, of_a.mT, of_b, settled)
    found_a, found_b = (beside.apart(torch.ldexp(x, -power)) for x in found)
    every = found_a, found_b, condition_number(factored).reshape(weight.shape[:-2])
    return ConversionMatrices(*(x if isinstance(w0, Tensor) else x.numpy() for x in every))


def _check_full_rank(factored: Factored, convention: Convention) -> None:
    full, count = min(factored.w0.shape[-2:]), len(factored.rank)
    deficient = factored.rank[factored.rank < full]
    if not len(deficient):
        return
    which = "W0 is singular" if count == 1 else f"{len(deficient)} of {count} W0 are singular"
    what = f"{which} (rank {int(deficient.min())} of {full}) under the cut-off {factored.cutoff:.1e}·σ_max"
    if convention == "stored":
        raise SingularError(
            f"{what}, and has no inverse; use the convention 'consistent', which takes the pseudo-inverse"
        )
    warnings.warn(f"{what}; using the Moore-Penrose solution", RankDeficientWarning, stacklevel=4)


def convert(
    solver: Solver,
    a: Float[Tensor, "*batch r in"],
    b: Float[Tensor, "*batch out r"],
    convention: Convention,
) -> tuple[Float[Tensor, "*batch d r"], Float[Tensor, "*batch in r"]]:
    """The conversion matrices of A and B (Eq. 3 and 4); under ``stored`` in one solve.

    Args:
        solver: Of W0; square under ``stored``.
        a, b: The factors, in the dtype of the solver's.
        convention: Which W0 A is solved with; see the table above.

    Example:
        >>> solver = factor(torch.tensor([[[0.0, 2.0], [1.0, 0.0]]]), 1e-7).solver
        >>> a, b = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0], [0.0]]])
        >>> [convert(solver, a, b, how)[0].ravel().tolist() for how in ("stored", "consistent")]
        [[0.0, 0.5], [0.0, 1.0]]
    """
    if convention == "consistent":
        return solver.solve_transposed(a.mT), solver.solve(b)
    x, y = solver.solve(torch.cat([a.mT, b], dim=-1)).tensor_split([a.shape[-2]], dim=-1)
    return x, y


def within_span(
    w0: Float[Tensor, "*batch out in"], converted: Float[Tensor, "*batch d r"], *, transposed: bool
) -> Float[Tensor, "*batch m r"]:
    """What lies of a factor in the span of W0: W0·W0⁺B, of a conversion matrix W0⁺B.

    W0⁺ magnifies rounding as it does anything else, so that what it makes of a factor outside that span looks like a matrix of full rank.

    Args:
        w0: As it was solved with.
        converted: The conversion matrix, with no ridge.
        transposed: Whether W0ᵀ was solved with.

    Example:
        >>> w0 = torch.tensor([[2.0], [0.0]])
        >>> within_span(w0, torch.linalg.pinv(w0) @ torch.tensor([[3.0], [4.0]]), transposed=False)
        tensor([[3.],
                [0.]])
    """
    return (w0.mT if transposed else w0).to(converted) @ converted


def rank_within(
    within: Float[Tensor, "*batch n r"],
    factor: Float[Tensor, "*batch n r"],
    span: Int[Tensor, "*batch"],
    eps: float,
) -> Int[Tensor, "*batch"]:
    """How many directions of a factor lie in the span of W0, beyond what rounding its entries puts there.

    Rounding is in all n dimensions alike, so that of each of r directions √(k/n) falls into a span of k. A direction counts above
    ``eps·‖factor‖_F·√(k/(n·r))``, about five times that, and of 24 bits and more above 64 times as much again, for the span is W0's own, which is rounded too.

    Args:
        within: From `within_span`.
        factor: In the dtype to compute in.
        span: Rank of W0.
        eps: Of the dtype that the factor is stored in.

    Example:
        >>> factor, within = torch.eye(3)[:, :2], torch.tensor([[1.0, 0.0], [0.0, 1e-3], [0.0, 0.0]])
        >>> [int(rank_within(within, factor, torch.tensor(2), eps)) for eps in (2**-23, 2**-7)]
        [2, 1]
    """
    n, r = factor.shape[-2:]
    least = max(_OF_W0 * min(eps, FLOAT32_EPS), eps)
    floor = least * torch.linalg.matrix_norm(factor) * (span.to(within) / (n * r)).sqrt()
    return (torch.linalg.svdvals(within) > floor[..., None]).sum(-1)
