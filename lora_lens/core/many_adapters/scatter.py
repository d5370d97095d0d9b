"""Energies of many adapters' ΔW by direction of one side: Σ ΔWᵀΔW of the right one, Σ ΔWΔWᵀ of the left, each ΔW of norm 1.

As a matrix of the side's width, whatever the adapters' number, or as the rows that it is made of, where these are fewer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ..factors.subspace_iteration import shared_directions


class Scatter(ABC):
    """Of some adapters.

    Attributes:
        count: How many.
    """

    count: int

    @property
    @abstractmethod
    def energy(self) -> float:
        """All of it: their number, unless something was taken from them."""

    @abstractmethod
    def along(self, directions: Float[Tensor, "d k"]) -> Float[Tensor, " k"]:
        """What lies along each of some directions of norm 1."""

    @abstractmethod
    def best(self, most: int) -> Float[Tensor, "d k"]:
        """The directions that hold the most, orthonormal columns, best first; d at most."""


class WholeScatter(Scatter):
    """From which nothing was taken yet."""

    @abstractmethod
    def beside(self, total: Float[Tensor, "_ d"]) -> Scatter:
        """The same after the adapters' mean ΔW is taken from each: what a mean adapter does not explain.

        Args:
            total: Σ ΔW of the same adapters, each of norm 1; of the left side its transpose.
        """


@dataclass(frozen=True)
class ScatterMatrix(WholeScatter):
    """As one matrix.

    Attributes:
        gram: Σ ΔWᵀΔW.
        count: How many adapters.

    Example:
        Beside their mean nothing is left of two equal adapters, and all of two opposite ones.

        >>> import torch
        >>> delta = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
        >>> two = ScatterMatrix(2 * delta.mT @ delta, 2)
        >>> [two.beside(total).energy for total in (2 * delta, 0 * delta)]
        [0.0, 2.0]
    """

    gram: Float[Tensor, "d d"]
    count: int

    @property
    def energy(self) -> float:
        """Its trace."""
        return float(self.gram.trace())

    def along(self, directions: Float[Tensor, "d k"]) -> Float[Tensor, " k"]:
        """Its diagonal in them."""
        return ((self.gram @ directions) * directions).sum(0)

    def best(self, most: int) -> Float[Tensor, "d k"]:
        """Its leading eigenvectors."""
        return shared_directions(self.gram, most)

    def beside(self, total: Float[Tensor, "_ d"]) -> ScatterMatrix:
        """A matrix again."""
        return ScatterMatrix(self.gram - total.mT @ total / self.count, self.count)


@dataclass(frozen=True)
class ScatterRows(WholeScatter):
    """As the rows that it is made of; what is asked of it is found in the space that these span.

    Attributes:
        rows: Singular vectors of ΔW, each as long as its singular value.
        count: How many adapters.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0]]) / 5
        >>> one = ScatterRows(rows, 1)
        >>> round(one.energy, 4), one.best(2).abs().mT.round()
        (1.0, tensor([[0., 0., 0., 1.],
                [0., 1., 0., 0.]]))
    """

    rows: Float[Tensor, "n d"]
    count: int

    @property
    def energy(self) -> float:
        """Of the rows."""
        return float(self.rows.square().sum())

    def along(self, directions: Float[Tensor, "d k"]) -> Float[Tensor, " k"]:
        """Of the rows."""
        return (self.rows @ directions).square().sum(0)

    def best(self, most: int) -> Float[Tensor, "d k"]:
        """By a matrix as wide as there are rows, unless it would be no smaller, or more are wanted."""
        if not self.spans(most):
            return self.matrix(self.rows).best(most)
        basis, own = self.within
        return basis @ self.matrix(own).best(most)

    def beside(self, total: Float[Tensor, "_ d"]) -> ScatterRowsBesideMean:
        """With the total beside the rows."""
        return ScatterRowsBesideMean(self, total, self.count)

    def spans(self, most: int) -> bool:
        """Whether so many directions are found among fewer coordinates than there are."""
        n, d = self.rows.shape
        return most <= n < d

    @cached_property
    def within(self) -> tuple[Float[Tensor, "d n"], Float[Tensor, "n n"]]:
        """What the rows span, orthonormal columns, and the rows in coordinates of it."""
        basis, triangle = torch.linalg.qr(self.rows.mT)
        return basis, triangle.mT

    def matrix(self, rows: Float[Tensor, "n m"]) -> ScatterMatrix:
        """Of the rows in some coordinates."""
        return ScatterMatrix(rows.mT @ rows, self.count)


@dataclass(frozen=True)
class ScatterRowsBesideMean(Scatter):
    """Rows, and the mean that was taken from each adapter.

    Attributes:
        every: Before it was.
        total: Σ ΔW of the same adapters; of the left side its transpose.
        count: How many adapters.
    """

    every: ScatterRows
    total: Float[Tensor, "_ d"]
    count: int

    @property
    def energy(self) -> float:
        """Of the rows without that of the mean."""
        return self.every.energy - float(self.total.square().sum()) / self.count

    def along(self, directions: Float[Tensor, "d k"]) -> Float[Tensor, " k"]:
        """Of the rows without that of the mean."""
        of_mean = (self.total @ directions).square().sum(0) / self.count
        return self.every.along(directions) - of_mean

    def best(self, most: int) -> Float[Tensor, "d k"]:
        """In what the rows span, as before the mean was taken."""
        every = self.every
        if not every.spans(most):
            return every.matrix(every.rows).beside(self.total).best(most)
        basis, own = every.within
        return basis @ every.matrix(own).beside(self.total @ basis).best(most)
