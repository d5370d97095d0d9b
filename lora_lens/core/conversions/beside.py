"""The factors of many adapters beside one another, as columns of one right-hand side of each W0."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ...errors import LensError


@dataclass(frozen=True)
class Beside:
    """How leading axes of factors belong to those of W0: one layer's, or those of many adapters on it.

    Attributes:
        batch: Leading axes of all, broadcast.
        layers: Which of these are W0's.
        adapters: Which are not, so that one W0 serves all along them.

    Example:
        >>> import torch
        >>> w0, a, b = torch.ones(3, 1, 4, 5), torch.ones(7, 2, 5), torch.ones(3, 7, 4, 2)
        >>> beside = Beside.of(w0, a, b)
        >>> beside.joined(b).shape, beside.apart(beside.joined(b)).equal(b)
        (torch.Size([3, 4, 14]), True)
    """

    batch: tuple[int, ...]
    layers: tuple[int, ...]
    adapters: tuple[int, ...]

    @staticmethod
    def of(w0: Tensor, a: Tensor, b: Tensor) -> Beside:
        """Of W0 (..., out, in), A (..., r, in) and B (..., out, r).

        Raises:
            LensError: They do not go together.
        """
        (m, n), (rank, n_a), (m_b, rank_b) = (x.shape[-2:] for x in (w0, a, b))
        if (n_a, m_b, rank_b) != (n, m, rank):
            raise LensError(
                f"A is {rank}x{n_a} and B {m_b}x{rank_b}; expected rx{n} and {m}xr beside W0 of {m}x{n}"
            )
        leading = [tuple(x.shape[:-2]) for x in (w0, a, b)]
        try:
            batch = np.broadcast_shapes(*leading)  # torch's own loads sympy, for half a second
        except ValueError:
            raise LensError(
                "W0, A and B have leading axes {}, {} and {}; expected such as broadcast".format(
                    *leading
                )
            ) from None
        own = (1,) * (len(batch) - len(leading[0])) + leading[0]
        apart = tuple(k for k, size in enumerate(batch) if own[k] != size)
        return Beside(batch, tuple(k for k in range(len(batch)) if k not in apart), apart)

    def joined(self, x: Float[Tensor, "*some m r"]) -> Float[Tensor, "layers m columns"]:
        """Factors as columns: those of all adapters on a layer side by side."""
        m, r = x.shape[-2:]
        last = len(self.batch)
        x = x.expand(*self.batch, m, r).permute(*self.layers, last, *self.adapters, last + 1)
        return x.reshape(self._count, m, -1)

    def apart(self, x: Float[Tensor, "layers m columns"]) -> Float[Tensor, "*batch m r"]:
        """What was `joined`, or solved for it, with the leading axes of all."""
        order = (*self.layers, len(self.batch), *self.adapters, len(self.batch) + 1)
        sizes = (
            *self.batch,
            x.shape[-2],
            x.shape[-1] // prod(self.batch[k] for k in self.adapters),
        )
        x = x.reshape([sizes[k] for k in order])
        return x.permute([order.index(k) for k in range(len(order))]).contiguous()

    @property
    def _count(self) -> int:
        return prod(self.batch[k] for k in self.layers)
