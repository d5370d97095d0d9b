"""What φ is under a null."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..labelled import Array, Brief, Mask, Row, plain
from ..plain_torch import plain_torch

Samples = NDArray[np.floating]


@dataclass(frozen=True, repr=False, eq=False)
class Baseline(Brief):
    """φ under a null: one mean and deviation for all cells, or a grid of them.

    Attributes:
        mean: Expected φ.
        sd: Standard deviation of φ from draw to draw.
        mean_sd: Standard deviation, from draw to draw, of the mean of φ over all cells.
        mean_mean: Expected mean of φ over all cells, where it is not the mean of ``mean``.
        draws: How many draws there are; None where there is a closed form alone.
        closed: Whether `mean` and `sd` are the null's own, in closed form, and neither is of the draws.
        samples: (draw, …) φ of every draw, for p-values, or what draws them when they are asked for.
        cells: (n, …) null values of each cell by itself, where they are others than its `samples`.
        tie: What φ of a draw and the observed one may differ by and be the same number, where a draw
            can hold an observed cell itself.
        in_place: (draw, …) where it holds that cell's own φ, of `samples` that are shuffles.
    """

    mean: float | Array
    sd: float | Array
    mean_sd: float
    draws: int | None = None
    samples: Samples | Callable[[], Samples] | None = field(default=None, repr=False, compare=False)
    cells: Samples | None = field(default=None, repr=False, compare=False)
    mean_mean: float | None = None
    closed: bool = field(default=False, repr=False, compare=False)
    tie: float = 0.0
    in_place: Mask | None = field(default=None, repr=False, compare=False)

    @cached_property
    def drawn(self) -> Samples | None:
        """The samples, once they are drawn."""
        if not callable(self.samples):
            return self.samples
        with plain_torch():  # it is asked for when the question has long been answered
            return self.samples()

    def grid(self, layers: int) -> Array:
        """The mean as a layer×layer grid."""
        return np.broadcast_to(np.asarray(self.mean, dtype=np.float64), (layers, layers))

    def sd_grid(self, layers: int) -> Array:
        """The deviation as a layer×layer grid."""
        return np.broadcast_to(np.asarray(self.sd, dtype=np.float64), (layers, layers))

    def to_dict(self) -> Row:
        """For JSON: mean, sd, mean_sd and, for a sampled one, draws and a cell's own null values."""
        row = {name: plain(getattr(self, name)) for name in ("mean", "sd", "mean_sd")}
        if self.draws is not None:
            row["draws"] = self.draws
        if self.cells is not None:
            row["values_a_cell"] = len(self.cells)
        return row
