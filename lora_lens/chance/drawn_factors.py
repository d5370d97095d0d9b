"""Factors that take the place of the trained ones under the nulls that go through W0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.numbers.scaled import of_order_one
from ..subspaces.conversions import Matrix, Plan
from .draws import gaussian_factors, initial_factors
from .flips import Directions, directions, own_directions
from .given_spectrum import own_spectrum, reshaping

_AT_A_TIME = 32  # draws of flips


@dataclass(frozen=True)
class DrawnFactors:
    """What takes the place of A and of B in a solve, and of A in the product BA; as rows.

    Under the convention ``stored`` A and B may be one tensor: W0 X = G either way. A solution is given the
    singular values of the layer's own A, B or BA, where they are in `spectra`, when it is made: that takes
    copies in float64, and those of all draws would be larger than the draws.

    Attributes:
        own: The layer's rank; rows below are zero.
    """

    a: Float[Tensor, "draw r columns"] | None
    b: Float[Tensor, "draw r out"] | None
    outer_a: Float[Tensor, "draw r in"] | None
    spectra: Mapping[Matrix, Float[Tensor, " r"]] = field(default_factory=dict)
    own: int = 0

    def part(self, some: slice) -> DrawnFactors:
        """Those of some draws."""
        b = None if self.b is None else self.b[some]
        a = b if self.a is self.b else None if self.a is None else self.a[some]
        outer_a = None if self.outer_a is None else self.outer_a[some]
        return DrawnFactors(a, b, outer_a, self.spectra, self.own)

    def shaped(self, matrix: Matrix, x: Float[Tensor, "draw d r"]) -> Float[Tensor, "draw d r"]:
        """A solution with the singular values that this matrix's factor has before it."""
        rows = self.a if matrix == "A" else self.b
        if matrix not in self.spectra or rows is None:
            return x
        m = reshaping(rows, self.spectra[matrix], self.own)
        return x.to(m) @ m

    def outer(self, rows: Float[Tensor, "draw r in"]) -> Float[Tensor, "draw r in"]:
        """`outer_a`, orthonormal where BA has a spectrum: the product has then the one that `shaped` gives to B."""
        if "BA" not in self.spectra:
            return rows
        m = reshaping(rows, torch.ones_like(self.spectra["BA"]), self.own)
        return (rows.mT.to(m) @ m).mT


def drawn_factors(
    null: str,
    plan: Plan,
    layer: int,
    generator: torch.Generator,
    device: torch.device,
    w0: Float[Tensor, "out in"],
    cutoff: float | None = None,
) -> DrawnFactors:
    """All draws of one layer: Gaussian, as PEFT starts A, the adapter's own of every layer, or turned ones of this layer.

    All at once, so that chunks, which depend on the machine, do not change the numbers.

    Args:
        null: ``propagated``, ``initialisation``, ``mismatched`` or ``flipped``.
        plan: What is asked for.
        layer: Its position.
        generator: Where the numbers come from, on the CPU, so that every device sees the same.
        device: Where they are wanted.
        w0: The layer's.
        cutoff: Of its singular values; see `lora_lens.chance.flips.directions`.

    Example:
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "stored", draws=5)
        >>> given = plan, 0, torch.Generator(), torch.device("cpu"), torch.rand(384, 384)
        >>> drawn_factors("propagated", *given).b.shape
        torch.Size([5, 8, 384])
        >>> torch.equal(drawn_factors("mismatched", *given).a, factors.a)
        True
        >>> turned, b = drawn_factors("flipped", *given).b, factors.b[0].double()
        >>> torch.allclose(turned @ turned.mT, b.mT @ b)  # the same lengths and angles, elsewhere
        True
    """
    return _DRAWN[null](plan, layer, generator, device, w0, cutoff)


def _propagated(
    plan: Plan, layer: int, generator: torch.Generator, device: torch.device, *_: object
) -> DrawnFactors:
    own, rank = plan.factors.ranks[layer], max(plan.factors.ranks)

    def gaussians(size: int) -> Tensor:
        drawn = gaussian_factors(plan.draws, rank, size, generator)
        drawn[:, own:] = 0  # as the padded factor is
        return drawn.to(device)

    b = gaussians(plan.factors.out_features)
    consistent_a = plan.convention == "consistent" and "A" in plan.matrices
    a = gaussians(plan.factors.in_features) if consistent_a else b
    product = "BA" in plan.matrices and not plan.spans_alone
    outer_a = gaussians(plan.factors.in_features) if product else None
    if not plan.ordered:  # whole spans: singular values do not matter to them
        return DrawnFactors(a, b, outer_a)
    spectra = {matrix: own_spectrum(plan, layer, matrix) for matrix in plan.matrices}
    return DrawnFactors(a, b, outer_a, spectra, own)


def _initialisation(
    plan: Plan, layer: int, generator: torch.Generator, device: torch.device, *_: object
) -> DrawnFactors:
    own, rank = plan.factors.ranks[layer], max(plan.factors.ranks)
    a = initial_factors(plan.draws, rank, plan.factors.in_features, generator)
    a[:, own:] = 0
    return DrawnFactors(a.to(device), None, None)


def _mismatched(
    plan: Plan, _: int, __: torch.Generator, device: torch.device, *___: object
) -> DrawnFactors:
    a, b = (t.to(device) for t in (plan.factors.a, plan.factors.b.mT))
    return DrawnFactors(a, b, a)


def _flipped(
    plan: Plan,
    layer: int,
    generator: torch.Generator,
    device: torch.device,
    w0: Tensor,
    cutoff: float | None,
) -> DrawnFactors:
    """The layer's own factors, turned by signs on the directions of W0 that they are solved for."""
    of, a, b = directions(w0, cutoff), None, None
    own_a, own_b = (t[layer].to(device).double() for t in (plan.factors.a, plan.factors.b))
    of_a, of_b = _streams(generator)
    if "A" in plan.matrices:
        a_of = of.transposed if plan.convention == "consistent" else of
        a = _turned(a_of, own_a.mT, plan.draws, of_a)
    if {"B", "BA"} & {*plan.matrices}:
        b = _turned(of, own_b, plan.draws, of_b)
    return DrawnFactors(a, b, own_a.expand(plan.draws, *own_a.shape))


def _streams(generator: torch.Generator) -> list[torch.Generator]:
    """One for A and one for B, so that asking for one changes nothing of the other."""
    seeds = torch.randint(2**62, (2,), generator=generator).tolist()
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _turned(
    of: Directions, factor: Float[Tensor, "n r"], draws: int, generator: torch.Generator
) -> Float[Tensor, "draw r n"]:
    own = own_directions(of, of_order_one(factor.double()))
    rows = torch.empty(draws, *factor.mT.shape, dtype=torch.float64, device=factor.device)
    for some in rows.split(_AT_A_TIME):
        torch.add(own.outside.mT, own.turned(len(some), generator).mT @ of.u.mT, out=some)
    return rows


_DRAWN: Mapping[str, Callable[..., DrawnFactors]] = {
    "propagated": _propagated,
    "mismatched": _mismatched,
    "initialisation": _initialisation,
    "flipped": _flipped,
}
