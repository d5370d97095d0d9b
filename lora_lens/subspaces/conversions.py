"""Bases of the conversion matrices of an adapter's own factors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import torch
from torch import Tensor

from ..adapter import ModuleFactors
from ..core.computing.work import Size
from ..core.conversions.conversion import convert, rank_within, within_span
from ..core.factors.bases import orthonormal_basis
from ..core.factors.product_svd import svd_of_product
from ..core.factors.triangle import spectral_norm
from ..core.numbers.sides import Side
from ..core.solving.factoring import Factored
from ..errors import LensError, RankError, SingularError
from ..updates import Convention
from .dimensions import check_factor_ranks, check_not_rounding
from .memory import UNBOUNDED, Budget

Matrix = Literal["A", "B", "BA"]
MATRICES: tuple[Matrix, ...] = ("A", "B", "BA")


@dataclass(frozen=True)
class Plan:
    """What every chunk of layers is asked for.

    Attributes:
        ridge: In units of each W0's median singular value.
        memory: What may be taken.
    """

    factors: ModuleFactors
    matrices: Sequence[Matrix]
    i: int
    j: int
    side: Side
    convention: Convention
    draws: int
    ridge: float = 0.0
    memory: Budget = UNBOUNDED

    @property
    def width(self) -> int:
        """Basis vectors to keep: the first i and the first j of them are used."""
        return max(self.i, self.j)

    @property
    def size(self) -> Size:
        """How much is asked."""
        factors = self.factors
        rows, columns = factors.out_features, factors.in_features
        return Size(len(factors.layers), rows, columns, self.width, self.draws)

    @property
    def ordered(self) -> bool:
        """Whether the order of the singular vectors matters: not where all of them are used."""
        return {self.i, self.j, *self.factors.ranks} != {self.width}

    @property
    def spans_alone(self) -> bool:
        """Whether BA's subspace is B's: on the left, with all singular vectors, A only mixes columns."""
        return self.side == "left" and not self.ordered


def check_request(
    factors: ModuleFactors,
    matrices: Sequence[Matrix],
    i: int,
    j: int,
    side: Side,
    convention: Convention,
) -> None:
    """Whether an analysis of conversion matrices can be what was asked for; see `conversion_similarity`.

    Raises:
        LensError: There is no such matrix or side.
        SingularError: W0 is not square under ``stored``.
        RankError: i or j is below 1 or above a rank, or right sides are asked for of ranks that differ.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> check_request(adapter.modules["value"], ["B"], 8, 8, "left", "stored")
        >>> check_request(adapter.modules["value"], ["B"], 8, 0, "left", "stored")
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: i is 8 and j is 0; expected at least 1
    """
    unknown = [matrix for matrix in matrices if matrix not in MATRICES]
    if unknown or not matrices:
        raise LensError(f"matrices are {list(matrices)}, expected some of {', '.join(MATRICES)}")
    if side not in ("left", "right"):
        raise LensError(f"side is {side!r}, expected 'left' or 'right'")
    if convention == "stored" and factors.out_features != factors.in_features:
        raise SingularError(
            f"W0 of {factors.module} is {factors.out_features}x{factors.in_features}, and the "
            f"convention 'stored' needs a square one; use the convention 'consistent', or 'auto'"
        )
    if side == "right" and len(set(factors.ranks)) > 1 and set(matrices) != {"BA"}:
        raise RankError(
            f"ranks of {factors.module} differ between layers ({min(factors.ranks)} to "
            f"{max(factors.ranks)}), so the right sides of A and B live in different spaces; "
            f"ask for BA, or for the left side"
        )
    if min(i, j) < 1:
        raise RankError(f"i is {i} and j is {j}; expected at least 1")
    check_factor_ranks(factors, matrices, max(i, j))


def check_ridge(ridge: float) -> None:
    """Raise LensError unless it is a finite number, 0 or above.

    Example:
        >>> check_ridge(0.1)
        >>> check_ridge(-1.0)
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: ridge is -1.0; expected 0, or a finite number above it
    """
    number = isinstance(ridge, Real) and not isinstance(ridge, bool)
    if not (number and 0 <= ridge < math.inf):  # NaN is not
        raise LensError(f"ridge is {ridge!r:.60}; expected 0, or a finite number above it")


def conversion_bases(plan: Plan, factored: Factored, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """(layer, d, width) bases of the conversion matrices of A, B and BA.

    Example:
        >>> from lora_lens.core.solving.factoring import factor
        >>> a, b = torch.ones(1, 1, 2), torch.tensor([[[9.0], [4.0]]])
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (1,))
        >>> plan = Plan(factors, ["B"], 1, 1, "left", "stored", draws=0)
        >>> factored = factor(torch.diag(torch.tensor([3.0, 1.0]))[None], 1e-7)
        >>> conversion_bases(plan, factored, a, b)["B"].abs().ravel()  # of W0⁻¹B = (3, 4)
        tensor([0.6000, 0.8000])
    """
    converted_a, converted_b = convert(factored.converting, a, b, plan.convention)
    _check_ranks(plan, factored, a, b, {"A": converted_a, "B": converted_b})
    bases: dict[str, Tensor] = {}
    if "A" in plan.matrices:
        bases["A"] = basis(plan, converted_a)
    if "B" in plan.matrices:
        bases["B"] = basis(plan, converted_b)
    if "BA" in plan.matrices:
        same = "B" in bases and plan.spans_alone
        bases["BA"] = bases["B"] if same else product_basis(plan, converted_b, a, checked=True)
    return bases


def _check_ranks(
    plan: Plan, factored: Factored, a: Tensor, b: Tensor, converted: Mapping[str, Tensor]
) -> None:
    """Whether what W0⁺ leaves of a factor still has the rank asked for; an invertible W0 leaves all."""
    rows, columns = plan.factors.out_features, plan.factors.in_features
    if rows == columns and bool((factored.rank == rows).all()):
        return
    stored = {"A": plan.factors.a, "B": plan.factors.b}
    inverted = converted
    if plan.ridge:  # what it leaves of W0⁺ does not tell what W0 spans
        inverted = dict(zip(stored, convert(factored.solver, a, b, plan.convention), strict=True))
    for name, factor in (("A", a.mT), ("B", b)):
        if not any(name in matrix for matrix in plan.matrices):
            continue
        turned = name == "A" and plan.convention == "consistent"
        within = within_span(factored.w0, inverted[name], transposed=turned)
        eps = float(torch.finfo(stored[name].dtype).eps)
        found = rank_within(within, factor, factored.rank, eps)
        _check_within(int(found.min()), plan.width, f"{name} of {plan.factors.module}")
        s = torch.linalg.svdvals(converted[name])
        scale = factored.inverse_norm * spectral_norm(factor)
        label = f"the conversion matrix of {name} of {plan.factors.module}"
        check_not_rounding(s, plan.width, scale, max(rows, columns), label)


def _check_within(rank: int, k: int, name: str) -> None:
    if rank < k:
        raise RankError(
            f"asked for {k} singular vectors of the conversion matrix of {name}, but in one layer {rank} of its directions "
            f"lie in what W0 spans, and what others have there is rounding of their file; ask for at most {rank}"
            if rank
            else f"{name} lies outside what W0 spans in one layer, but for rounding of its file: it has no conversion matrix"
        )


def basis(plan: Plan, x: Tensor) -> Tensor:
    """(…, d, width) basis of the compared side of a conversion matrix.

    Example:
        >>> a, b = torch.ones(1, 1, 2), torch.ones(1, 2, 1)
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (1,))
        >>> x = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
        >>> plans = [Plan(factors, ["B"], 1, 2, side, "stored", draws=0) for side in ("left", "right")]
        >>> [basis(plan, x)[:, 0].abs().round().tolist() for plan in plans]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return orthonormal_basis(x if plan.side == "left" else x.mT, plan.width, ordered=plan.ordered)


def product_basis(plan: Plan, b: Tensor, a: Tensor, *, checked: bool = False) -> Tensor:
    """(…, d, width) basis of the compared side of ``b @ a``, b a conversion matrix and a factor A.

    Example:
        >>> a, b = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[0.0], [2.0]]])
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (1,))
        >>> plans = [Plan(factors, ["BA"], 1, 1, side, "stored", draws=0) for side in ("left", "right")]
        >>> [product_basis(plan, b, a).abs().round(decimals=6).ravel() for plan in plans]
        [tensor([0., 1.]), tensor([0.6000, 0.8000])]
    """
    if not plan.ordered:  # all singular vectors: the span is the outer factor's own
        return orthonormal_basis(b if plan.side == "left" else a.mT, plan.width)
    svd = svd_of_product(b, a)
    if checked:
        scale = spectral_norm(b) * spectral_norm(a)
        label = f"W0⁻¹BA of {plan.factors.module}"
        check_not_rounding(svd.s, plan.width, scale, max(b.shape[-2], a.shape[-1]), label)
    return (svd.u if plan.side == "left" else svd.vh.mT)[..., : plan.width]
