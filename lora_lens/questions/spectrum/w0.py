"""What ΔW does to W0: relative norms, edges, and intruder dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...adapter import ModuleFactors
from ...bases.weights import BaseWeights
from ...chance.streams import layer_generator
from ...core.spectra.intruders import cosines_by_choice, largest_cosines, random_directions
from ...core.spectra.random_matrix import marchenko_pastur_edge
from ...core.spectra.spectrum import effective_rank, stable_rank
from ...labelled import Array
from ...subspaces.delta import Singular, delta_singular, weight_singular
from ...subspaces.device import Where
from ...subspaces.ties import equal_neighbours, equal_said
from .result import W0Comparison
from .tuned import tuned


class Sweep(NamedTuple):
    """How many leading vectors to look at, below which cosines, and how many random ΔW to make for comparison."""

    k: int
    epsilons: Sequence[float]
    draws: int
    seed: int

    def generator(self, factors: ModuleFactors, position: int) -> torch.Generator:
        """One layer's own."""
        start = factors.part.start if factors.part else 0
        return layer_generator(self.seed, factors.names[position], start)


def compared_with_w0(
    factors: ModuleFactors, position: int, weights: BaseWeights, sweep: Sweep, where: Where
) -> tuple[W0Comparison, Array, list[str]]:
    """What is found of W0, and of W0 + ΔW, in one layer; the singular values of that ΔW; and what is arbitrary.

    Raises:
        BaseModelError: W0 is not found, or does not fit.
        RankError: W0 or W0 + ΔW is all zero.
    """
    w0 = weights.w0(factors, position)
    delta = delta_singular(factors, position, where, w0)
    layer = f" in layer {factors.layers[position]}" if factors.numbered else ""
    here = f"of {factors.module}{layer}"
    base = weight_singular(w0, where, name=f"W0 {here}")
    s0, s = base.s.double().cpu(), delta.s.double().cpu()
    name = f"W0 + ΔW {here}"
    after = tuned(w0, base, delta.u * delta.s, delta.vh.mT, sweep.k, where, name)
    generator = sweep.generator(factors, position)
    edge = float(marchenko_pastur_edge(s0.norm(), *w0.shape))
    found = W0Comparison(
        w0_frobenius_norm=float(s0.norm()),
        w0_spectral_norm=float(s0[0]),
        relative_frobenius_norm=float(s.norm() / s0.norm()),
        relative_spectral_norm=float(s[0] / s0[0]) if len(s) else 0.0,
        w0_stable_rank=float(stable_rank(s0)),
        w0_effective_rank_s=float(effective_rank(s0)),
        w0_effective_rank_s2=float(effective_rank(s0.square())),
        w0_edge=edge,
        w0_above_edge=int((s0 > edge).sum()),
        delta_above_w0_edge=int((s > edge).sum()),
        tuned_edge=after.edge,
        tuned_above_edge=after.above,
        cosines=_cosines(after.along),
        random_cosines=tuple(_random_cosines(w0, base, delta.s, sweep, generator, where)),
    )
    notes = []
    if _undecided(w0, base, after.along, sweep):
        notes.append(equal_said(factors.module, "which directions are called intruders"))
    return found, s.numpy(), notes


def _undecided(w0: Tensor, base: Singular, along: Tensor, sweep: Sweep) -> bool:
    """Whether a direction is an intruder by some of the vectors that W0 may be given where its singular values are equal, and not by others."""
    equal = equal_neighbours(w0, base.s.cpu(), len(base.s))
    if not equal.any():
        return False
    runs = torch.cat([torch.zeros(1, dtype=torch.int64), (~equal).cumsum(0)]).to(along.device)
    least, most = cosines_by_choice(along, runs)
    return any(bool(((least < one) & (one <= most)).any()) for one in sweep.epsilons)


def _cosines(along: Tensor) -> tuple[float, ...]:
    return tuple(largest_cosines(along).double().cpu().tolist())


def _random_cosines(
    w0: Tensor,
    base: Singular,
    s: Tensor,
    sweep: Sweep,
    generator: torch.Generator,
    where: Where,
) -> Iterator[tuple[float, ...]]:
    """`_cosines` of W0 plus a random ΔW with the singular values `s`, draw by draw."""
    for _ in range(sweep.draws):
        x, y = (where.take(random_directions(d, len(s), 1, generator)[0]) for d in w0.shape)
        after = tuned(w0, base, x * s, y, sweep.k, where, "W0 + a random ΔW")
        yield _cosines(after.along)
