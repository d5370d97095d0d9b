"""Sums of all matrices but one, by additions alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor


def left_out_sums(terms: Float[Tensor, "layer *shape"]) -> Iterator[Float[Tensor, "*shape"]]:
    """The sum of all terms but the first, of all but the second, and so on.

    Nothing is subtracted, so a term that outweighs all others leaves no rounding of its own behind. By
    halves: layer·log₂(layer) additions, and as many sums at a time as there are halvings.

    Example:
        >>> [int(s) for s in left_out_sums(torch.tensor([1.0, 20.0, 300.0]))]
        [320, 301, 21]
    """
    yield from _halves(terms, torch.zeros_like(terms[0]))


def _halves(terms: Tensor, outside: Tensor) -> Iterator[Tensor]:
    if len(terms) == 1:
        yield outside
        return
    one, other = terms[: len(terms) // 2], terms[len(terms) // 2 :]
    yield from _halves(one, outside + other.sum(0))
    yield from _halves(other, outside + one.sum(0))
