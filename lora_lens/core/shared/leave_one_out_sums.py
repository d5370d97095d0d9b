"""Sums of all matrices but one, by additions alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from jaxtyping import Float
from torch import Tensor


def left_out_sums(
    terms: Float[Tensor, "layer *shape"],
    start: Float[Tensor, "*shape"],
    after_each: Callable[[], None] = lambda: None,
) -> Iterator[Float[Tensor, "*shape"]]:
    """`start` and all terms but the first, `start` and all but the second, and so on.

    Nothing is subtracted, so a term that outweighs all others leaves no rounding of its own behind. By
    halves: layer·log₂(layer) additions, and as many sums at a time as there are halvings. `after_each` is called
    after each term that was added.

    Example:
        >>> import torch
        >>> [int(s) for s in left_out_sums(torch.tensor([1.0, 20.0, 300.0]), torch.tensor(4000.0))]
        [4320, 4301, 4021]
    """
    yield from _halves(terms, start, after_each)


def summed(
    terms: Iterable[Float[Tensor, "*shape"]],
    start: Float[Tensor, "*shape"],
    after_each: Callable[[], None],
) -> Float[Tensor, "*shape"]:
    """`start` and the terms, one after the other; `after_each` is called after each term.

    Example:
        >>> import torch
        >>> summed(torch.tensor([1.0, 20.0]), torch.tensor(300.0), lambda: None)
        tensor(321.)
    """
    total = start.clone()
    for term in terms:
        total += term
        after_each()
    return total


def _halves(terms: Tensor, outside: Tensor, after_each: Callable[[], None]) -> Iterator[Tensor]:
    if len(terms) == 1:
        yield outside
        return
    one, other = terms[: len(terms) // 2], terms[len(terms) // 2 :]
    yield from _halves(one, summed(other, outside, after_each), after_each)
    yield from _halves(other, summed(one, outside, after_each), after_each)
