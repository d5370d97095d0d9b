"""One role's rows of a fused projection, as of the query, key and value in one matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float


class FusedRows(NamedTuple):
    """The rows of a fused projection that are one role's: the same ones of each of equal blocks.

    Attributes:
        start, stop: The role's rows of a block.
        block: All rows of a block.
        blocks: How many of them are below each other: 1, or one a head.
    """

    start: int
    stop: int
    block: int
    blocks: int = 1

    @property
    def whole(self) -> int:
        """Rows of the whole matrix."""
        return self.blocks * self.block

    @property
    def rows(self) -> int:
        """The role's rows."""
        return self.blocks * (self.stop - self.start)

    def take(self, matrix: Float[Any, "whole columns"]) -> Float[Any, "rows columns"]:
        """The role's rows of a matrix, in their order.

        Example:
            >>> import numpy as np
            >>> rows = np.arange(8.0)[:, None]
            >>> FusedRows(3, 4, block=4, blocks=2).take(rows)[:, 0].tolist()
            [3.0, 7.0]
        """
        if self.blocks == 1:
            return matrix[self.start : self.stop]
        columns = matrix.shape[1]
        blocks = matrix.reshape(self.blocks, self.block, columns)
        return blocks[:, self.start : self.stop].reshape(self.rows, columns)
