"""The propagated null's mean without draws: its deterministic equivalent, from W0's singular vectors alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.computing.spill import Spill
from ..core.conversions.mean_projector import direction_shares
from ..core.solving.factoring import Factored
from ..core.solving.solvers import PseudoInverseSolver, RidgeSolver
from ..subspaces.conversions import Matrix, Plan
from .baseline import Baseline

_ENTRIES = 1 << 22  # of every projector at once


@dataclass
class Equivalents:
    """Mean projectors of random conversion matrices, filled layer by layer; two of them give a mean φ.

    ``E φ = tr(E P_l · E P_m)/r`` is exact for independent factors, and each ``E P`` is approximated
    (`lora_lens.core.conversions.mean_projector`). They are kept in float32: 32 layers of width 4096 are 2.1 GB.

    Attributes:
        wanted: Whether anything is asked of it.
        spill: Where they are kept.
        projectors: (layer, d, d) By whether it is W0ᵀ that converts.
    """

    plan: Plan
    wanted: bool
    spill: Spill
    projectors: dict[bool, Tensor] = field(default_factory=dict)
    _made: dict[bool, Baseline] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)  # layers are added several at a time

    def add(self, factored: Factored, start: int) -> None:
        """The layers of one chunk, the first of which is at `start`; others may be added at the same time."""
        if not (self.wanted and self.possible):
            return
        for position in range(len(factored.rank)):
            u, gain, vh = _decomposed(factored, position)
            shares = direction_shares(gain.cpu(), self.plan.width).sqrt().to(u)
            for transposed in {self._transposed(matrix) for matrix in self.plan.matrices}:
                half = (u if transposed else vh.mT) * shares
                self._keep(transposed, start + position, (half @ half.mT).cpu())
        self.spill.release()

    def of(self, matrix: Matrix) -> Baseline:
        """Means of all cells; no deviation is known."""
        transposed = self._transposed(matrix)
        if transposed not in self._made:
            mean = self._grid(transposed).numpy()
            self._made[transposed] = Baseline(mean=mean, sd=math.nan, mean_sd=math.nan)
        return self._made[transposed]

    @property
    def possible(self) -> bool:
        """Whether there is a closed form: of whole spans, on the left."""
        return self.plan.spans_alone

    def _transposed(self, matrix: Matrix) -> bool:
        return matrix == "A" and self.plan.convention == "consistent"

    def _keep(self, transposed: bool, layer: int, projector: Tensor) -> None:
        with self._lock:
            if transposed not in self.projectors:
                shape = (len(self.plan.factors.layers), *projector.shape)
                self.projectors[transposed] = self.spill.empty(shape, projector, torch.float32)
        self.projectors[transposed][layer] = projector

    def _grid(self, transposed: bool) -> Float[Tensor, "layer layer"]:
        every = self.projectors[transposed].flatten(1)
        total = every.new_zeros(len(every), len(every), dtype=torch.float64)
        for start in range(0, every.shape[-1], step := max(1, _ENTRIES // len(every))):
            some = every[:, start : start + step].double()
            total += some @ some.mT
            self.spill.release()
        return total / self.plan.width


def _decomposed(factored: Factored, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """U, how much each singular direction is magnified, and Vᵀ; of one layer."""
    solver = factored.converting
    if isinstance(solver, RidgeSolver):
        return solver.u[layer], solver.gain[layer], solver.vh[layer]
    if isinstance(solver, PseudoInverseSolver):
        return solver.u[layer], 1 / solver.s[layer], solver.vh[layer]
    w0 = factored.w0[layer].to(factored.inverse_norm.dtype)
    u, s, vh = torch.linalg.svd(w0, full_matrices=False)
    return u, 1 / s, vh
