"""One adapter's module as the question takes it: its factors, W0 of its layers, and W0's singular directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from jaxtyping import Float
from torch import Tensor

from ...adapter import ModuleFactors
from ...chance.flips import Directions, OwnDirections, directions, own_directions
from ...core.computing.cores import on_cores
from ...core.computing.progress import Progress, untold
from ...core.computing.spill import Spill
from ...subspaces.w0_and_bases import Factor, W0AndBases, asks_transposed, w0_and_bases
from ...updates import Convention

# Numbers of a W0, up to which a core to each is faster than all for one after another.
_ON_A_CORE = 1 << 20
_DECOMPOSING = 8 * 8  # bytes of each number of it
_AT_A_TIME_BYTES = 1 << 30


class Asked(NamedTuple):
    """One adapter's module, W0 of its layers, W0's singular directions, where what is large waits, and how A is asked."""

    factors: ModuleFactors
    w0: Float[Tensor, "layer out in"]
    directions: tuple[Directions, ...]
    spill: Spill
    convention: Convention = "consistent"

    def w0_and_bases(self, matrix: Factor, rank: int) -> W0AndBases:
        """W0, or its transpose, and each layer's factor."""
        return w0_and_bases(self.factors, self.w0, matrix, rank, self.convention)

    def own(self, q: Float[Tensor, "layer out r"], matrix: Factor) -> list[OwnDirections]:
        """Each layer's factor on its own W's directions."""
        turned = asks_transposed(matrix, self.convention)
        each = (of.transposed if turned else of for of in self.directions)
        return list(after_each(map(own_directions, each, q), self.spill.release))


def asked(
    factors: ModuleFactors,
    w0: Float[Tensor, "layer out in"],
    spill: Spill | None = None,
    progress: Progress = untold,
    convention: Convention = "consistent",
    *,
    cutoffs: Sequence[float] | None = None,
) -> Asked:
    """With the singular directions, which A and B have in common: one decomposition a layer.

    `spill` says where what is large waits; by default in memory. `progress` is called with (layers done, layers).
    `cutoffs` are of each layer's singular values; by default those of a W0 stored as it is given.
    """
    spill = spill or Spill()
    found = []
    small = w0.device.type == "cpu" and w0[0].numel() <= _ON_A_CORE
    one = _DECOMPOSING * w0[0].numel()
    most = 1 + int(min(spill.most / 4, _AT_A_TIME_BYTES) // one)
    given: Sequence[float | None] = cutoffs or [None] * len(w0)
    each = zip(w0, given, strict=True)
    count = len(w0) if small else 1
    for layer, of in enumerate(on_cores(lambda one: directions(*one), each, count, most)):
        found.append(of._replace(u=spill.keep(of.u), v=spill.keep(of.v.mT).mT))
        spill.release()
        progress(layer + 1, len(w0))
    return Asked(factors, w0, tuple(found), spill, convention)


T = TypeVar("T")


def after_each(items: Iterable[T], release: Callable[[], None]) -> Iterator[T]:
    """The items; what each was made of need not be in memory once it is there."""
    for item in items:
        release()
        yield item
