"""Sums over all adapters of a place, of which several questions make use: means, and energies by direction.

Every adapter counts alike: ΔW and A are scaled to norm 1. The sums are kept by fold, so that what is asked about an
adapter can leave its own fold out; the halves of `lora_lens.core.many_adapters.captured` are four folds each, in several ways.

They are kept as matrices of W0's width (`whole_sums`), whatever the adapters' number, or, where all adapters together span
a small part of it, in coordinates of what they span (`spanned_sums`). Who asks need not know which: directions that come from elsewhere
are brought `within`, and found ones `placed` among W0's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from ...core.factors.subspace_iteration import leading_pair
from ...core.many_adapters.captured import those_that_hold
from ...core.many_adapters.captured_by_chance import Peaks
from ...core.many_adapters.scatter import WholeScatter
from .folds import FOLDS, Dealt, Halving, enough, even_halvings, met
from .question import One

_EVERY = tuple(range(FOLDS))


class Sums(ABC):
    """Of the adapters seen so far."""

    def __init__(self, dealt: Dealt, out: int, into: int, rank: int, most: int) -> None:
        """Nothing seen yet.

        Args:
            dealt: The adapters, by number.
            out, into: Of W0.
            rank: Of most adapters: a mean of A is one of adapters of that rank.
            most: Singular vectors of a mean, and best directions, that are wanted.
        """
        self.dealt = dealt
        self.rank = rank
        self.most = min(most, out, into)
        self.into = into
        self._leading: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        self._begun: dict[int, Tensor] = {}  # by k: what every iteration begins with
        self.a = torch.zeros(FOLDS, rank, into, dtype=torch.float64)
        self.count = torch.zeros(FOLDS, dtype=torch.int64)
        self._alike, self._peaked = 0, 0.0
        self._weights: list[Tensor] = []

    def see(self, block: Sequence[One]) -> None:
        """Add some adapters."""
        for fold in range(FOLDS):
            some = [one for one in block if self.dealt.folds[one.number] == fold]
            starts = [one.a.double() for one in some if one.rank == self.rank]
            for a in starts:
                self.a[fold] += a / torch.linalg.matrix_norm(a).clamp(min=torch.finfo(a.dtype).tiny)
            trained = [one for one in some if len(one.delta.s)]
            if not trained:
                continue
            deltas = [one.delta for one in trained]
            copies = [self.dealt.copies[one.number] for one in trained]
            self.count[fold] += len(trained)
            shares = [delta.s / torch.linalg.vector_norm(delta.s) for delta in deltas]
            self._weights += [share.square() for share in shares]
            self._alike += sum(copies)
            self._peaked += sum(
                m * float(share.pow(4).sum()) for m, share in zip(copies, shares, strict=True)
            )
            left, right = (
                torch.cat([rows[: len(s)] for rows, s in zip(side, shares, strict=True)])
                for side in ([d.left for d in deltas], [d.right for d in deltas])
            )
            self._add(fold, torch.cat(shares)[:, None], left, right)

    @cached_property
    def halvings(self) -> tuple[Halving, ...]:
        """Ways to halve the adapters, all of which have been seen."""
        return even_halvings(self.count.tolist())

    @cached_property
    def met(self) -> float:
        """How much more a mean over these scatters than one of independent shares."""
        return met(self.count.tolist(), self.halvings)

    @cached_property
    def enough(self) -> bool:
        """Whether there are adapters for a mean; see `lora_lens.survey.questions.folds.enough`."""
        return enough(self.count.tolist())

    @property
    def weights(self) -> list[Tensor]:
        """Shares of each adapter's energy by singular value, in no order of the adapters'."""
        return sorted(self._weights, key=Tensor.tolist)

    def has_start(self, folds: Sequence[int]) -> bool:
        """Whether some folds have an A of the usual rank."""
        return bool(self.a[list(folds)].any())

    @property
    def has_starts(self) -> bool:
        """Whether all that are beside any two folds, and either half of any halving, have an A of the usual rank."""
        beside = [[f for f in _EVERY if f not in two] for two in combinations(_EVERY, 2)]
        halves = [half for halving in self.halvings for half in halving]
        return all(map(self.has_start, [*beside, *halves]))

    def scatter(self, side: str, folds: Sequence[int] = _EVERY) -> WholeScatter:
        """The energies of some folds."""
        return self._scatter(side, folds, int(self.count[list(folds)].sum()))

    @property
    def peaks(self) -> Peaks:
        """What the deviation of all adapters' mean share hangs on."""
        return Peaks(int(self.count.sum()), self._alike, self._peaked)

    def mean(self, folds: Sequence[int], side: str, k: int) -> Float[Tensor, "m k"]:
        """The leading singular vectors of the mean ΔW of some folds, orthonormal columns; as many as it has."""
        key = (*folds, -k)
        if key not in self._leading:
            self._leading[key] = self._leading_of(folds, k)
        return self._leading[key][side == "right"]

    def _leading_of(self, folds: Sequence[int], k: int) -> tuple[Tensor, Tensor]:
        total = self.total(folds)
        whole = float(self.count[list(folds)].sum()) ** 2  # of a sum of adapters that are one
        if k not in self._begun:
            drawn = _drawn(self.into, 2 * k + 8)
            self._begun[k] = self.within("right", drawn)
        left, right = leading_pair(total, k, start=self._begun[k])
        return (
            those_that_hold(left, (total.mT @ left).square().sum(0), whole),
            those_that_hold(right, (total @ right).square().sum(0), whole),
        )

    def filled_mean(self, folds: Sequence[int], side: str, k: int) -> Float[Tensor, "d k"]:
        """The same among W0's directions; where it has fewer than k the rest are drawn, and know nothing of any adapter."""
        found = self.placed(side, self.mean(folds, side, k))
        d, few = found.shape
        if few == k:
            return found
        return torch.linalg.qr(torch.cat([found, _drawn(d, k - few)], dim=1)).Q

    def side_of_total(self, side: str, folds: Sequence[int]) -> Float[Tensor, "_ m"]:
        """Σ ΔW of some folds, whose rows are of the right side, or its transpose for the left."""
        total = self.total(folds)
        return total if side == "right" else total.mT

    def start(self, folds: Sequence[int]) -> Float[Tensor, "in k"]:
        """The span of the mean A of some folds: of adapters of one start, nearly that start; among W0's inputs."""
        return torch.linalg.svd(self.a[list(folds)].sum(0), full_matrices=False).Vh.mT

    @abstractmethod
    def total(self, folds: Sequence[int]) -> Float[Tensor, "left right"]:
        """Σ ΔW of some folds."""

    @abstractmethod
    def within(self, side: str, directions: Float[Tensor, "d k"]) -> Float[Tensor, "m k"]:
        """What these sums can tell of directions among W0's, as columns of theirs."""

    @abstractmethod
    def placed(self, side: str, found: Float[Tensor, "m k"]) -> Float[Tensor, "d k"]:
        """Columns of theirs among W0's."""

    @abstractmethod
    def _add(
        self,
        fold: int,
        shares: Float[Tensor, "n 1"],
        left: Float[Tensor, "n out"],
        right: Float[Tensor, "n in"],
    ) -> None: ...

    @abstractmethod
    def _scatter(self, side: str, folds: Sequence[int], count: int) -> WholeScatter: ...


def added(each: Float[Tensor, "fold m n"], folds: Sequence[int]) -> Float[Tensor, "m n"]:
    """What some folds have, without a copy of them all.

    Example:
        >>> added(torch.tensor([[[1.0]], [[2.0]], [[4.0]]]), [0, 2])
        tensor([[5.]])
    """
    found = torch.zeros_like(each[0])
    for fold in folds:
        found += each[fold]
    return found


def _drawn(d: int, k: int) -> Float[Tensor, "d k"]:
    return torch.randn(d, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
