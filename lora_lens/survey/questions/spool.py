"""The spool of a place: a survey computes with torch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ...arrays import dtype_name
from ...subspaces.spool import Spool


class TensorSpool(Spool):
    """A spool that gives back torch's tensors."""

    def __init__(self, d: int, dtype: torch.dtype) -> None:
        super().__init__(d, dtype_name(dtype))

    def rows(self, which: range) -> Float[Tensor, "rows d"]:
        """As `Spool.rows`."""
        return torch.from_numpy(super().rows(which))
