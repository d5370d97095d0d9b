"""How much of all adapters' ΔW k shared directions hold, fitted and left out, beside what else would hold it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ...core.many_adapters.captured import (
    Held,
    centred,
    crossed,
    held_by_shared,
    shares_of,
)
from ...core.many_adapters.captured_by_chance import chance_of_left_out, held_of_unrelated
from .question import Facts, Question, Rows
from .spool import TensorSpool
from .sums import FOLDS, Sums

_ALL = 1 - 1e-9


class Subspace(Question):
    """A row a side, kind of directions and k.

    Directions are ``shared`` (the best of all adapters), ``mean adapter`` (its leading singular vectors),
    ``start`` (of the common initial A, given or the mean of A; on the right side), ``shared beside the mean`` (the best of
    what is left when the mean ΔW is taken from each; shares of that energy), and ``random adapters``: the
    best of adapters of the same singular values with directions of no relation. Of more
    than there are, as of more than a half's ranks together, what is left out has no share, and a mean adapter no row.
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
            halves = [self._sums.half(side, half) for half in (0, 1)]
            chance = chance_of_left_out(d, halves[0], halves[1], most)
            if d not in drawn:
                drawn[d] = self._random(d, most)
            for name, held in self._held(side, most):
                yield from _rows(side, name, held, chance.mean, chance.sd, most)
            held = Held(drawn[d], chance.mean)
            yield from _rows(side, "random adapters", held, chance.mean, None, most)

    def _held(self, side: str, most: int) -> Iterator[tuple[str, Held]]:
        one, other = (self._sums.half(side, half) for half in (0, 1))
        folds = [list(range(half, FOLDS, 2)) for half in (0, 1)]
        every, both = list(range(FOLDS)), one.gram + other.gram
        yield "shared", held_by_shared(one, other, most)
        means = [self._sums.mean(which, side, most) for which in (every, *folds)]
        yield "mean adapter", Held(shares_of(means[0], both), crossed(means[1:], one, other))
        totals = [self._sums.side_of_total(side, which) for which in folds]
        yield (
            "shared beside the mean",
            held_by_shared(centred(one, totals[0]), centred(other, totals[1]), most),
        )
        if side == "right" and self.facts.start is not None:
            share = shares_of(self._sums.within(side, self.facts.start[:, :most]), both)
            yield "start", Held(share, share)
        elif side == "right" and self._sums.has_starts:
            starts = [
                self._sums.within(side, self._sums.start(which)[:, :most])
                for which in (every, *folds)
            ]
            yield "start", Held(shares_of(starts[0], both), crossed(starts[1:], one, other))

    def _random(self, d: int, most: int) -> Tensor:
        """What the best directions hold of adapters with the same singular values and no relation."""
        generator = torch.Generator().manual_seed(self._seed)
        weights, draws = self._sums.weights, range(self.facts.settings.draws)
        return torch.stack([held_of_unrelated(d, weights, most, generator) for _ in draws]).mean(0)


def _rows(
    side: str, directions: str, held: Held, chance: Tensor, sd: Tensor | None, most: int
) -> Rows:
    ks = [k for k in _steps(most) if k <= max(map(len, held))]
    at = torch.tensor(ks, dtype=torch.int64) - 1
    fitted, left_out = (_until(most, shares)[at] for shares in held)
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
