"""Bases under the nulls → what φ is under each, with its draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.computing.progress import Progress, passes, untold
from ..core.similarity.phi_of_bases import mean_of_other_layers
from ..subspaces.conversions import Matrix, Plan
from .baseline import Baseline, Samples
from .conversion_draws import NullBases
from .draws import (
    FEWEST_LAYERS,
    TOO_FEW_LAYERS,
    mismatched_cells,
    mismatched_grids,
    null_grids,
    shuffles,
)
from .gaussian import gaussian_grids
from .gaussian_moments import gaussian_baseline, mean_off_diagonal_sd
from .null_names import NullName
from .p_values import RESOLUTION
from .streams import null_generator


@dataclass
class Baselines:
    """The baselines of each matrix; matrices that share a null share its draws.

    Attributes:
        progress: Called with how much of all nulls' draws φ has been taken, of how much.
    """

    plan: Plan
    nulls: NullBases
    asked: Sequence[NullName]
    progress: Progress = untold
    _made: dict[tuple[NullName, int], Baseline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Settle how many have draws."""
        drawn = {(null, id(bases)) for (null, _), bases in self.nulls.bases.items()}
        self._parts = iter(passes(self.progress, *(self.plan.draws,) * len(drawn)))

    def of(
        self, matrix: Matrix, own: Float[Tensor, "layer d width"]
    ) -> tuple[dict[str, Baseline], dict[str, str]]:
        """By null, for a matrix whose own bases are `own`; and why others are not there."""
        found: dict[str, Baseline] = {}
        absent: dict[str, str] = {}
        for null in self.asked:
            if null == "gaussian":
                d = own.shape[-2]
                found[null] = self._once((null, d), partial(self._gaussian, d))
            elif null == "equivalent" and self.nulls.equivalents.possible:
                found[null] = self.nulls.equivalents.of(matrix)
            elif (bases := self.nulls.bases.get((null, matrix))) is not None:
                found[null] = self._once((null, id(bases)), partial(self._drawn, null, bases, own))
            else:
                absent[null] = self._reason(null, matrix)
        return found, absent

    def _once(self, shared: tuple[NullName, int], make: Callable[[], Baseline]) -> Baseline:
        """Of all matrices that share a null's dimension, or its bases."""
        if shared not in self._made:
            self._made[shared] = make()
        return self._made[shared]

    def _drawn(self, null: NullName, bases: Tensor, own: Tensor) -> Baseline:
        part = next(self._parts)
        if null == "mismatched":
            made = self._mismatched(bases, own)
            self.nulls.spill.release()
            part(1, 1)
            return made
        one, other = bases[..., : self.plan.i], bases[..., : self.plan.j]
        found = _sampled(null_grids(one, other, self.nulls.spill.release, part))
        return replace(found, tie=RESOLUTION) if null == "flipped" else found

    def _gaussian(self, d: int) -> Baseline:
        i, j, draws = self.plan.i, self.plan.j, self.plan.draws
        layers = len(self.plan.factors.layers)
        mean, sd = gaussian_baseline(d, i, j)
        mean_sd = mean_off_diagonal_sd(d, layers, i, j)
        if not draws:
            return Baseline(mean, sd, mean_sd, closed=True)
        sampler = partial(_gaussian_samples, d, layers, i, j, draws, self.nulls.seed)
        return Baseline(mean, sd, mean_sd, draws, sampler, closed=True)

    def _mismatched(
        self, bases: Float[Tensor, "donor layer d width"], own: Float[Tensor, "layer d width"]
    ) -> Baseline:
        i, j, layers = self.plan.i, self.plan.j, bases.shape[1]
        place = torch.arange(layers, device=bases.device)
        bases[place, place] = own.to(
            bases
        )  # two solves of one system differ where W0 is ill-conditioned
        by_layer = bases.transpose(0, 1)
        generator = null_generator(self.nulls.seed, "mismatched")
        orders = shuffles(layers, draws=self.plan.draws, generator=generator)
        grids = mismatched_grids(by_layer, i, j, orders)
        drawn = replace(_sampled(grids), tie=1e-9 if grids.dtype == torch.float64 else 1e-6)
        if layers * layers - layers - 1 > self.plan.draws:
            return drawn
        exact = _sampled(mismatched_cells(by_layer, i, j))
        mean = float(mean_of_other_layers(grids.double()).mean())  # as its deviation, of the draws
        return replace(drawn, mean=exact.mean, sd=exact.sd, cells=exact.drawn, mean_mean=mean)

    def _reason(self, null: NullName, matrix: Matrix) -> str:
        if null == "initialisation" and matrix != "A":
            return "PEFT starts B at zero, which has no subspace"
        if null == "equivalent":
            return (
                "its formula is of whole spans: the left side, and i = j = the rank of every layer"
            )
        if self.plan.draws == 0:
            return "there are no draws"
        if null == "flipped":
            return "a flip leaves the right singular vectors of a conversion as they are"
        if len(self.plan.factors.layers) < FEWEST_LAYERS:
            return TOO_FEW_LAYERS
        return "a W0 is rank-deficient, and may leave nothing of another layer's factor"


def _gaussian_samples(d: int, layers: int, i: int, j: int, draws: int, seed: int) -> Samples:
    generator = null_generator(seed, "gaussian")
    return gaussian_grids(d, layers, i, j, draws=draws, generator=generator).float().numpy()


def _sampled(grids: Float[Tensor, "draw layer layer"]) -> Baseline:
    wide = grids.double()
    return Baseline(
        mean=wide.mean(0).cpu().numpy(),
        sd=wide.std(0).cpu().numpy(),
        mean_sd=float(mean_of_other_layers(wide).std()),
        draws=len(grids),
        samples=grids.cpu().numpy(),
    )
