"""What a question of a place is: it sees every adapter once, then every pair, and gives rows.

A question is a file of this folder with a class that has some of these methods, and a line in
`lora_lens.survey.asking`; its words and tables are in this folder's `QUESTIONS`. What it keeps must not grow with the adapters by more than a few numbers each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from ...core.factors.balanced import Balanced
from ..settings import Settings
from ..table import Columns
from .pair_block import PairBlock

if TYPE_CHECKING:
    from .spool import TensorSpool

Rows = Iterator[tuple[str, Columns]]
OpenSpool = Callable[[int, torch.dtype], "TensorSpool"]


@dataclass(frozen=True)
class Facts:
    """What every question of a place knows beforehand.

    Attributes:
        settings: What is asked, and how.
        count: How many adapters; they are numbered from 0.
        out_features, in_features: Of W0.
        open_spool: Opens a spool that is closed when the place is done.
        start: Orthonormal columns that span the rows of the common initial A, where it is known.
    """

    settings: Settings
    count: int
    out_features: int
    in_features: int
    open_spool: OpenSpool
    start: Float[Tensor, "in k"] | None = None

    def width(self, matrix: str) -> int:
        """Dimension of the space that a matrix's subspaces live in."""
        return self.in_features if matrix == "A" else self.out_features


@dataclass(frozen=True)
class One:
    """One adapter at the place.

    Attributes:
        number: Here, from 0.
        rank: Of the file.
        scaling: s.
        a, b: In the dtype of the file.
        delta: Bases and singular values.
    """

    number: int
    rank: int
    scaling: float
    a: Float[Tensor, "rank in"]
    b: Float[Tensor, "out rank"]
    delta: Balanced


class Question:
    """A question of a place; one that keeps to these does nothing.

    Attributes:
        of_pairs: Whether it is to see every pair.
    """

    of_pairs = False

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.spools: dict[str, TensorSpool] = {}  # bases of its own, beside A's and B's

    def see(self, block: Sequence[One]) -> Rows:
        """Some adapters; all are seen once, in their order."""
        del block
        yield from ()

    def seen(self, spools: Mapping[str, TensorSpool]) -> Rows:
        """All adapters have been seen; each matrix's bases can be read."""
        del spools
        yield from ()

    def pair(self, block: PairBlock) -> Rows:
        """Some adapters against some others."""
        del block
        yield from ()

    def finish(self) -> Rows:
        """All pairs have been seen."""
        yield from ()
