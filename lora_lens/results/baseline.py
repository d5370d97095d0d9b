"""What φ is under a null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .forms import Array, Row, plain


@dataclass(frozen=True)
class Baseline:
    """φ under a null: one mean and deviation for all cells, or a layer×layer grid of them.

    Attributes:
        mean: Expected φ.
        sd: Standard deviation of φ from draw to draw.
        draws: How many draws they are estimated from; None for a closed form.
        mean_sd: Standard deviation, from draw to draw, of the mean off the diagonal.
    """

    mean: float | Array
    sd: float | Array
    mean_sd: float
    draws: int | None = None

    def grid(self, layers: int) -> Array:
        """The mean as a layer×layer grid."""
        return np.broadcast_to(np.asarray(self.mean, dtype=np.float64), (layers, layers))

    def sd_grid(self, layers: int) -> Array:
        """The deviation as a layer×layer grid."""
        return np.broadcast_to(np.asarray(self.sd, dtype=np.float64), (layers, layers))

    def to_dict(self) -> Row:
        """For JSON: mean, sd, mean_sd and, for a sampled one, draws."""
        numbers = {name: plain(getattr(self, name)) for name in ("mean", "sd", "mean_sd")}
        return numbers if self.draws is None else numbers | {"draws": self.draws}
