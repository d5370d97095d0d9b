"""How much of all adapters' ΔW k shared directions hold, fitted and left out, beside what else would hold it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ...core.many_adapters.captured import (
    Held,
    crossed,
    fitted_by_shared,
    left_out_by_shared,
    over_halvings,
    shares_of,
)
from ...core.many_adapters.captured_by_chance import chance_of_left_out, held_of_unrelated
from .folds import FOLDS, Halving
from .question import Facts, Question, Rows
from .spool import TensorSpool
from .sums import Sums

_ALL = 1 - 1e-9


class Subspace(Question):
    """A row a side, kind of directions and k.

    Directions are ``shared`` (the best of all adapters), ``mean adapter`` (its leading singular vectors),
    ``start`` (of the common initial A, given or the mean of A; on the right side), ``shared beside the mean`` (the best of
    what is left when the mean ΔW is taken from each; shares of that energy), and ``random adapters``: the
    best of adapters of the same singular values with directions of no relation. Of more
    than there are, as of more than a half's ranks together, what is left out has no share, and a mean adapter no row.
    What is left out is the mean over several halvings.
    """

    def __init__(self, facts: Facts, sums: Sums, seed: int) -> None:
        super().__init__(facts)
        self._sums = sums
        self._seed = seed

    def seen(self, spools: Mapping[str, TensorSpool]) -> Rows:
        """All of it: the sums hold what it takes."""
        del spools
        if not self._sums.enough:
            return
        drawn: dict[int, Tensor] = {}
        for side in ("right", "left"):
            d = self.facts.in_features if side == "right" else self.facts.out_features
            most = min(self.facts.settings.k, d)
            chance = chance_of_left_out(d, self._sums.peaks, most, self._sums.met)
            if d not in drawn:
                drawn[d] = self._random(d, most)
            for name, held in self._held(side, most):
                yield from _rows(side, name, held, chance.mean, chance.sd, most)
            held = Held(drawn[d], chance.mean, None)
            yield from _rows(side, "random adapters", held, chance.mean, None, most)

    def _held(self, side: str, most: int) -> Iterator[tuple[str, Held]]:
        left_out: defaultdict[str, list[Tensor]] = defaultdict(list)
        for halving in self._sums.halvings:
            for name, shares in self._left_out(side, halving, most):
                left_out[name].append(shares)
        for name, fitted in self._fitted(side, most):
            if name in left_out:
                yield name, Held(fitted, *over_halvings(left_out[name]))
            else:
                yield name, Held(fitted, fitted, None)

    def _fitted(self, side: str, most: int) -> Iterator[tuple[str, Tensor]]:
        sums, every = self._sums, range(FOLDS)
        whole = sums.scatter(side)
        yield "shared", fitted_by_shared(whole, most)
        yield "mean adapter", shares_of(sums.mean(every, side, most), whole)
        beside = whole.beside(sums.side_of_total(side, every))
        yield "shared beside the mean", fitted_by_shared(beside, most)
        if side == "right" and (self.facts.start is not None or sums.has_starts):
            start = sums.start(every) if self.facts.start is None else self.facts.start
            yield "start", shares_of(sums.within(side, start[:, :most]), whole)

    def _left_out(self, side: str, halving: Halving, most: int) -> Iterator[tuple[str, Tensor]]:
        """What directions of each half hold of the other; of a start that is known nothing has to be left out."""
        sums = self._sums
        one, other = (sums.scatter(side, half) for half in halving)
        yield "shared", left_out_by_shared(one, other, most)
        means = [sums.mean(half, side, most) for half in halving]
        yield "mean adapter", crossed(means, one, other)
        totals = (sums.side_of_total(side, half) for half in halving)
        beside = [half.beside(total) for half, total in zip((one, other), totals, strict=True)]
        yield "shared beside the mean", left_out_by_shared(beside[0], beside[1], most)
        if side == "right" and self.facts.start is None and sums.has_starts:
            starts = [sums.within(side, sums.start(half)[:, :most]) for half in halving]
            yield "start", crossed(starts, one, other)

    def _random(self, d: int, most: int) -> Tensor:
        """What the best directions hold of adapters with the same singular values and no relation."""
        generator = torch.Generator().manual_seed(self._seed)
        weights, draws = self._sums.weights, range(self.facts.settings.draws)
        return torch.stack([held_of_unrelated(d, weights, most, generator) for _ in draws]).mean(0)


def _rows(
    side: str, directions: str, held: Held, chance: Tensor, sd: Tensor | None, most: int
) -> Rows:
    ks = [k for k in _steps(most) if k <= max(len(held.fitted), len(held.left_out))]
    at = torch.tensor(ks, dtype=torch.int64) - 1
    fitted, left_out = (_until(most, shares)[at] for shares in (held.fitted, held.left_out))
    tested = sd is not None and directions in ("shared", "mean adapter")
    found = {
        "matrix": "delta",
        "side": side,
        "quantity": directions,
        "k": ks,
        "fitted": fitted.numpy(),
        "value": left_out.numpy(),
        "expected": chance[at].numpy(),
    }
    if held.deal_sd is not None:
        rest = held.deal_sd.new_full((most - len(held.deal_sd),), torch.nan)
        found["deal_sd"] = torch.cat([held.deal_sd, rest])[at].numpy()
    if tested and sd is not None:
        found["sd"] = sd[at].numpy()
        z = (left_out - chance[at]) / sd[at]
        found["z"] = z.where(sd[at] > 0, torch.nan).numpy()
    yield "subspace", found


def _until(most: int, shares: Tensor) -> Tensor:
    """Of so many numbers of directions: NaN of more than there are, unless these hold all, which more do, too."""
    rest = 1.0 if len(shares) and float(shares[-1]) > _ALL else torch.nan
    return torch.cat([shares, shares.new_full((most - len(shares),), rest)])


def _steps(most: int) -> list[int]:
    """1, 2, 4, … and the largest itself."""
    powers = [1 << n for n in range(most.bit_length()) if 1 << n < most]
    return [*powers, most]
