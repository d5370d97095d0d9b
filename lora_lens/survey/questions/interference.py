"""What adapters would do to each other in a merge: the energy of ΔW's cross terms."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np
import torch
from torch import Tensor

from ...core.many_adapters.merging import of_sums, sd_given_inputs
from ...core.numbers.scaled import exponents, values_of_order_one
from .pair_block import PairBlock, summed
from .question import Facts, One, Question, Rows

_ROUNDING = 64  # times the precision of the bases


class Interfering(Question):
    """A row a pair, ⟨ΔW_i, ΔW_j⟩/(‖ΔW_i‖‖ΔW_j‖); and one of the sum of all. Beside each what unrelated B give with these A.

    How much their subspaces overlap, and what chance makes of that, `pairs` says.
    """

    of_pairs = True

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._values: list[Tensor] = []
        self._powers: list[int] = []  # of two, by which ΔW is larger than `_values` say
        self._cross = 0.0
        self._variance = 0.0
        self._pairs = 0

    def see(self, block: Sequence[One]) -> Rows:
        """Keep their singular values, of order one: an adapter's own s turns no cosine."""
        spectra = [one.delta.s for one in block]
        self._values += map(values_of_order_one, spectra)
        self._powers += [int(exponents(s[:, None])) if len(s) else 0 for s in spectra]
        yield from ()

    def pair(self, block: PairBlock) -> Rows:
        """Their cosines."""
        one, other = (self._values[side.start : side.stop] for side in (block.one, block.other))
        k, m = (torch.tensor([len(s) for s in side], dtype=torch.int64) for side in (one, other))
        left, right = (
            _leading(block.product(side), block.widths(side), (k, m)) for side in ("left", "right")
        )
        s, t = (torch.cat(side).to(left.dtype) for side in (one, other))
        inner = summed((left * right).mul_(t), k, m, s)
        met = summed((right * t).square_(), k, m, s.square()).sqrt()
        norms = [torch.stack([torch.linalg.vector_norm(s) for s in side]) for side in (one, other)]
        product = norms[0][:, None] * norms[1]
        apart = met <= _ROUNDING * torch.finfo(left.dtype).eps * product  # A share no direction
        inner, met = inner.masked_fill(apart, 0.0), met.masked_fill(apart, 0.0)
        rows, columns = block.places
        there = product[rows, columns] > 0
        r, c = rows[there], columns[there]
        sd = sd_given_inputs(met[r, c].numpy(), self.facts.out_features)
        own, others = (
            torch.tensor(self._powers[side.start : side.stop], dtype=torch.int64)
            for side in (block.one, block.other)
        )
        less = (own[:, None] + others - 2 * max(self._powers))[r, c]
        self._cross += 2 * float(inner[r, c].ldexp(less).sum())
        self._variance += 2 * float(np.square(np.ldexp(sd, less.numpy())).sum())
        self._pairs += len(r)
        yield (
            "interference",
            {
                "matrix": "delta",
                "one": (r + block.one.start).int().numpy(),
                "other": (c + block.other.start).int().numpy(),
                "cosine": (inner / product)[r, c].clamp(-1, 1).float().numpy(),
                "cosine_sd": (sd / product[r, c].numpy()).astype(np.float32),
            },
        )

    def finish(self) -> Rows:
        """The energy of the sum of all, beside that of its parts."""
        # All of these are relative to the largest ΔW's power, and only their shares are told.
        largest = max(self._powers, default=0)
        energy = sum(
            float(s.square().sum().ldexp(torch.tensor(2 * (power - largest), dtype=torch.int64)))
            for s, power in zip(self._values, self._powers, strict=True)
        )
        cross = self._cross if self._pairs else float("nan")
        found = of_sums(cross, self._variance, energy)
        yield (
            "merge",
            {
                "matrix": "delta",
                "value": found.cross,
                "expected": 0.0,
                "sd": found.sd,
                "z": None if isnan(found.z) else found.z,
            },
        )


def _leading(
    product: Tensor, widths: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]
) -> Tensor:
    """Of each adapter's rows and columns, those of ΔW's own singular vectors."""
    for axis, (have, want) in enumerate(zip(widths, wanted, strict=True)):
        if not torch.equal(have, want):
            starts = have.cumsum(0) - have
            kept = [torch.arange(int(n)) + first for first, n in zip(starts, want, strict=True)]
            product = product.index_select(axis, torch.cat(kept))
    return product
