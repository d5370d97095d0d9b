"""φ of the conversion matrices between every two adapters: W0 is read and factored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ...core.conversions.conversion import convention_by_shape, convert, rank_within, within_span
from ...core.factors.bases import orthonormal_basis
from ...core.numbers.either import in_float64
from ...core.numbers.precision import singular_cutoff
from ...core.numbers.scaled import of_order_one
from ...core.solving.factoring import factor
from ...several import counted
from .conversions_by_chance import ConversionsByChance, drawn
from .pair_block import PairBlock
from .question import Facts, One, Question, Rows
from .spool import TensorSpool

_NAMES = ("conversion A", "conversion B")


class Conversions(Question):
    """A row a pair and matrix, φ of the left singular vectors; beside random factors through the same W0.

    With one W0 for all, φ of whole subspaces is not 1 for W0's sake alone, but W0⁻¹ turns all of them towards
    its small singular directions: what it makes of random factors is the null.
    That W0 is singular is a row of its own; under ``stored``, which needs an inverse, the only one.
    """

    of_pairs = True

    def __init__(self, facts: Facts, w0: Float[Tensor, "out in"], seed: int) -> None:
        super().__init__(facts)
        layers = in_float64(of_order_one(w0)[None])
        cutoff = singular_cutoff(w0.dtype, layers.dtype, (w0.shape[0], w0.shape[1]))
        self._factored = factor(layers, cutoff)
        self._rank, self._full = int(self._factored.rank[0]), min(w0.shape)
        out, into = w0.shape
        self._convention = convention_by_shape(facts.settings.convention, out, into)
        self._without = self._rank < self._full and self._convention == "stored"
        dtype = getattr(torch, facts.settings.dtype)
        self._d = {
            "conversion A": into if self._convention == "stored" else out,
            "conversion B": into,
        }
        self.spools = {name: facts.open_spool(self._d[name], dtype) for name in _NAMES}
        self._seed = seed
        self._by_chance = {name: ConversionsByChance() for name in _NAMES}

    def see(self, block: Sequence[One]) -> Rows:
        """Solve with all their factors at once, and keep the bases."""
        if self._without:
            for name in _NAMES:
                self.spools[name].add(
                    torch.empty(0, self._d[name], dtype=torch.float64), [0] * len(block)
                )
                self._by_chance[name].add_none(len(block))
            return
        a, b = (
            [of_order_one(x).double() for x in side]
            for side in zip(*((o.a, o.b) for o in block), strict=True)
        )
        found = self._solved(torch.cat(a), torch.cat(b, dim=-1))
        own = [one.rank for one in block]
        ranks = {
            "conversion A": [len(one.delta.own_right) for one in block],
            "conversion B": [len(one.delta.own_left) for one in block],
        }
        stored = {
            "conversion A": [one.a for one in block],
            "conversion B": [one.b for one in block],
        }
        for name, columns, factors in zip(_NAMES, found, ([x.mT for x in a], b), strict=True):
            seen = self._within(name, columns, factors, stored[name])
            each = zip(block, columns.split(own, dim=-1), ranks[name], seen, strict=True)
            for one, solved, full, (part, most) in each:
                rank = min(full, most)
                basis = self._basis(solved, rank)
                self.spools[name].add(basis.mT)
                self._by_chance[name].add(part, rank, basis.shape[-1])
                asked = self.facts.settings.rank
                if rank < min(full, asked or full) and (asked is None or full >= asked):
                    yield "failed", {"one": one.number, "reason": _outside(name, rank, full, asked)}

    def _solved(
        self, a: Float[Tensor, "rows in"], b: Float[Tensor, "out columns"]
    ) -> tuple[Tensor, Tensor]:
        x, y = convert(self._factored.solver, a[None], b[None], self._convention)
        return x[0], y[0]

    def _within(
        self,
        name: str,
        solved: Float[Tensor, "d columns"],
        factors: Sequence[Tensor],
        stored: Sequence[Tensor],
    ) -> list[tuple[Tensor, int]]:
        """Of each factor the part in W0's span, and how many directions that has: W0⁺ makes nothing of others but rounding."""
        turned = name == "conversion A" and self._convention == "consistent"
        if self._rank == (self.facts.in_features if turned else self.facts.out_features):
            return [(of, of.shape[-1]) for of in factors]
        own = [of.shape[-1] for of in factors]
        within = within_span(self._factored.w0[0], solved, transposed=turned).split(own, dim=-1)
        span, found = torch.tensor(self._rank, dtype=torch.int64), []
        for part, of, x in zip(within, factors, stored, strict=True):
            most = int(rank_within(part, of, span, float(torch.finfo(x.dtype).eps)))
            found.append((of if most == of.shape[-1] else part, most))
        return found

    def _basis(self, solved: Float[Tensor, "d r"], rank: int) -> Float[Tensor, "d i"]:
        asked = self.facts.settings.rank
        if not rank or (asked is not None and asked > rank):
            return solved[:, :0]
        return orthonormal_basis(solved, asked or rank, ordered=True)

    def seen(self, spools: Mapping[str, TensorSpool]) -> Rows:
        """Draw the null: random factors in the place of the adapters'."""
        del spools
        if self._rank < self._full:
            cutoff = f"the cut-off {self._factored.cutoff:.1e}·σ_max"
            reason = f"rank {self._rank} of {self._full} under {cutoff}"
            yield "singular", {"quantity": self._convention, "reason": reason}
        most = max(one.columns for one in self._by_chance.values())
        if most:
            generator = torch.Generator().manual_seed(self._seed)
            shape = (drawn(most), most)
            a = torch.randn(
                *shape, self.facts.in_features, generator=generator, dtype=torch.float64
            )
            b = torch.randn(
                *shape, self.facts.out_features, generator=generator, dtype=torch.float64
            )
            found = self._solved(a.flatten(0, 1), b.flatten(0, 1).mT)
            for name, columns, rows in zip(_NAMES, found, (a, b), strict=True):
                solved = columns.unflatten(-1, shape).movedim(-2, 0)
                self._by_chance[name].draw(rows, solved)

    def pair(self, block: PairBlock) -> Rows:
        """Their φ, and its moments for random factors."""
        for name in _NAMES:
            r, c, told = block.found(name)
            null = self._by_chance[name].moments(block.one, block.other)
            yield (
                "conversions",
                {
                    "matrix": name.removeprefix("conversion "),
                    **told,
                    "propagated_mean": null.mean[r, c].float().numpy(),
                    "propagated_sd": null.sd[r, c].float().numpy(),
                },
            )


def _outside(name: str, rank: int, full: int, asked: int | None) -> str:
    matrix = name.removeprefix("conversion ")
    if not rank:
        return f"{matrix} lies outside what W0 spans here, but for rounding: it has no conversion"
    if asked is not None:
        return f"asked for {asked} singular vectors of the conversion of {matrix}, of which {rank} of {full} directions lie in what W0 spans here"
    return f"the conversion of {matrix} is of {counted(rank, 'direction')}: {full - rank} of {full} lie outside what W0 spans here"
