"""φ of A and of B between every two adapters, beside what chance, a common start and the mean adapter make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ...chance.gaussian_moments import gaussian_baseline
from ...chance.given_subspace import Outside, PairMoments, inside, moments_of, trace
from .folds import FOLDS
from .pair_block import PairBlock
from .question import Facts, Question, Rows
from .spool import TensorSpool
from .sums import Sums

MATRICES = ("A", "B")
_SIDE = {"A": "right", "B": "left"}
_BLOCK = 256  # adapters


class Pairs(Question):
    """A row a pair and matrix."""

    of_pairs = True

    def __init__(self, facts: Facts, sums: Sums) -> None:
        super().__init__(facts)
        self._sums = sums
        self._given: dict[tuple[str, str], Given] = {}

    def seen(self, spools: Mapping[str, TensorSpool]) -> Rows:
        """What every adapter holds of the start and of the mean adapter."""
        known = self.facts.start
        for null, matrix in (("start", "A"), ("mean_adapter", "A"), ("mean_adapter", "B")):
            theta = self._theta(null, matrix)
            if theta is None:
                continue
            fixed = null == "start" and known is not None
            own = [0] * self.facts.count if fixed else self._sums.dealt.folds
            given = Given(self.facts, matrix, theta, 1 if fixed else FOLDS, own)
            given.fill(spools[matrix].rows, spools[matrix].widths)
            self._given[null, matrix] = given
        yield from ()

    def _theta(self, null: str, matrix: str) -> Thetas | None:
        known, sums = self.facts.start, self._sums
        if null == "start" and known is not None:
            return lambda _: known
        if not sums.enough or (null == "start" and not sums.has_starts):
            return None
        if null == "start":
            return sums.start
        return partial(sums.filled_mean, side=_SIDE[matrix], k=sums.rank)

    def pair(self, block: PairBlock) -> Rows:
        """Their φ, and its moments under each null."""
        for matrix in MATRICES:
            r, c, told = block.found(matrix)
            chance = gaussian_moments(self.facts.width(matrix), *block.widths(matrix))
            found = {
                "matrix": matrix,
                **told,
                "gaussian_mean": chance.mean[r, c].float().numpy(),
                "gaussian_sd": chance.sd[r, c].float().numpy(),
            }
            for null in ("start", "mean_adapter"):
                if (given := self._given.get((null, matrix))) is not None:
                    moments = given.moments(block)
                    found[f"{null}_mean"] = moments.mean[r, c].float().numpy()
                    found[f"{null}_sd"] = moments.sd[r, c].float().numpy()
            yield "pairs", found


# The span that is given to two adapters, from the folds that neither is in.
Thetas = Callable[[Sequence[int]], Tensor]


class Given:
    """What every adapter holds of a subspace that is made without its own fold and the other's."""

    def __init__(
        self, facts: Facts, matrix: str, theta: Thetas, folds: int, own: Sequence[int]
    ) -> None:
        self.d = facts.width(matrix)
        self._own = own
        self._folds = folds
        pairs = [(f, g) for f in range(folds) for g in range(f, folds)]
        self._thetas = {
            pair: theta([h for h in range(folds) if folds == 1 or h not in pair]) for pair in pairs
        }
        self._k = next(iter(self._thetas.values())).shape[-1]
        self._held = facts.open_spool(folds * self._k**2, torch.float64)
        self._ranks: Tensor = torch.empty(0, dtype=torch.float64)
        self._first: _Side | None = None  # of the last block, whose rows the next one often has too

    def fill(self, rows: Callable[[range], Tensor], widths: list[int]) -> None:
        """Ask every adapter; see `lora_lens.chance.given_subspace.inside`."""
        self._ranks = torch.tensor(widths, dtype=torch.float64)
        for start in range(0, len(widths), _BLOCK):
            which = range(start, min(start + _BLOCK, len(widths)))
            bases = padded(rows(which).double(), widths[which.start : which.stop])
            held = bases.new_zeros(len(which), self._folds, self._k, self._k)
            for f in range(self._folds):
                own = [n for n, number in enumerate(which) if self._own[number] == f]
                for g in range(self._folds):
                    theta = self._thetas[min(f, g), max(f, g)]
                    held[own, g] = inside(bases[own], theta)
            self._held.add(held.flatten(1), [1] * len(held))

    def moments(self, block: PairBlock) -> PairMoments:
        """φ of a block's pairs. What an adapter holds depends on the other's fold, so folds are met one by one."""
        if self._first is None or self._first.which != block.one:
            self._first = self._of(block.one)
        one = self._first
        other = one if block.other == block.one else self._of(block.other)
        held, leaning = _met(one.held, other.held), _met(one.leaning, other.leaning)
        first = Outside(
            one.traces[:, other.folds], one.leans[:, other.folds], one.ranks[one.order, None]
        )
        second = Outside(
            other.traces[:, one.folds].mT,
            other.leans[:, one.folds].mT,
            other.ranks[None, other.order],
        )
        found = moments_of(held, leaning, first, second, self.d - self._k)
        back = one.order.argsort()[:, None], other.order.argsort()
        return PairMoments(*(each[back] for each in found))

    def _of(self, which: range) -> _Side:
        held = self._held.rows(which).reshape(len(which), self._folds, self._k, self._k)
        own = torch.tensor([self._own[number] for number in which], dtype=torch.int64)
        folds, order = own.sort(stable=True)
        held = held[order]
        leaning = held - held @ held
        sizes = torch.bincount(folds, minlength=self._folds).tolist()
        return _Side(
            which, order, folds,
            held.flatten(2).split(sizes), leaning.flatten(2).split(sizes),
            trace(held), trace(leaning), self._ranks[which.start : which.stop],
        )  # fmt: skip


class _Side(NamedTuple):
    """Some adapters, by their folds.

    Attributes:
        which: Which.
        order, folds: Places of those of the first fold, of the second, …; and their folds.
        held, leaning: By own fold (n, fold of the other, k²).
        traces, leans: In that order (n, fold of the other).
        ranks: As they come.
    """

    which: range
    order: Tensor
    folds: Tensor
    held: Sequence[Tensor]
    leaning: Sequence[Tensor]
    traces: Tensor
    leans: Tensor
    ranks: Tensor


def _met(one: Sequence[Tensor], other: Sequence[Tensor]) -> Float[Tensor, "m n"]:
    """Inner products of all pairs, by both sides' folds: what each holds without the other's fold."""
    return torch.cat([
        torch.cat([mine[:, g] @ theirs[:, f].mT for g, theirs in enumerate(other)], dim=1)
        for f, mine in enumerate(one)
    ])  # fmt: skip


def padded(rows: Float[Tensor, "rows d"], widths: Sequence[int]) -> Float[Tensor, "n i d"]:
    """Each adapter's rows, with rows of zeros after those of one that has fewer."""
    if len(set(widths)) == 1:
        return rows.reshape(len(widths), widths[0], rows.shape[1])
    found = rows.new_zeros(len(widths), max(widths, default=0), rows.shape[1])
    for one, own in zip(found, rows.split(list(widths)), strict=True):
        one[: len(own)] = own
    return found


def gaussian_moments(d: int, i: Tensor, j: Tensor) -> PairMoments:
    """`lora_lens.gaussian_baseline` of every pair; NaN where one has no subspace."""
    known_i, at_i = torch.unique(i, return_inverse=True)
    known_j, at_j = torch.unique(j, return_inverse=True)
    table = torch.tensor(
        [[_moments(d, int(m), int(n)) for n in known_j] for m in known_i], dtype=torch.float64
    )
    found = table[at_i[:, None], at_j]
    return PairMoments(found[..., 0], found[..., 1])


@lru_cache(maxsize=4096)
def _moments(d: int, i: int, j: int) -> tuple[float, float]:
    return tuple(gaussian_baseline(d, i, j)) if min(i, j) else (float("nan"), float("nan"))  # type: ignore[return-value]
