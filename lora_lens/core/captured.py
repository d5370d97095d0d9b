"""How much of many adapters' ΔW a few directions of one side hold: fitted to them, and left out.

Every adapter counts alike: its ΔW is scaled to norm 1, so that the sum over adapters of
``ΔWᵀΔW`` (or ``ΔWΔWᵀ``) has their number as its trace. Whatever is asked of k directions comes from such
sums of two halves of the adapters: directions of the one half are asked about the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_SMALL = 128  # a matrix of which all singular vectors cost nothing
_DENSE = 512  # one of which all eigenvectors cost little beside the rest
_ROUNDS = 16


@dataclass(frozen=True)
class Scatter:
    """Sums over one half of the adapters.

    Attributes:
        gram: Σ ΔWᵀΔW of the right side, Σ ΔWΔWᵀ of the left; each ΔW of norm 1.
        count: How many adapters.
        peaked: Σ over adapters of Σ_i w_i², w the shares of ΔW's energy by singular value: 1/r each for
            equal ones, 1 for rank one.
    """

    gram: Float[Tensor, "d d"]
    count: int
    peaked: float


class Held(NamedTuple):
    """Share of the energy that the first k directions hold, mean over the adapters; one number a k.

    Attributes:
        fitted: By directions of all adapters.
        left_out: By directions of the half that an adapter is not in.
    """

    fitted: Float[Tensor, " k"]
    left_out: Float[Tensor, " k"]


class Chance(NamedTuple):
    """What directions that know nothing of an adapter hold of it: mean, and a bound of the deviation."""

    mean: Float[Tensor, " k"]
    sd: Float[Tensor, " k"]


def shared_directions(gram: Float[Tensor, "d d"], most: int) -> Float[Tensor, "d k"]:
    """The directions that hold the most of a sum's energy, best first (Ky Fan 1949).

    Above d = 512 by subspace iteration from a fixed start: where the energy falls slowly off, what they hold is
    less than the most by what sixteen rounds leave.

    Args:
        gram: Symmetric, positive semi-definite.
        most: How many, d at most.

    Returns:
        Orthonormal columns.

    Example:
        >>> gram = torch.diag(torch.tensor([1.0, 5.0, 3.0]))
        >>> shared_directions(gram, 2).abs().round().mT
        tensor([[0., 1., 0.],
                [0., 0., 1.]])
    """
    most = min(most, gram.shape[-1])
    if len(gram) <= _DENSE:
        return torch.linalg.eigh(gram).eigenvectors[:, -most:].flip(-1)
    generator = torch.Generator().manual_seed(0)
    width = min(2 * most + 16, len(gram))
    q = torch.randn(len(gram), width, generator=generator, dtype=torch.float64).to(gram)
    for _ in range(_ROUNDS):
        q = torch.linalg.qr(gram @ q).Q
    turn = torch.linalg.eigh(q.mT @ gram @ q).eigenvectors[:, -most:].flip(-1)
    return q @ turn


def shares_of(directions: Float[Tensor, "d k"], gram: Float[Tensor, "d d"]) -> Float[Tensor, " k"]:
    """What the first 1, 2, … k orthonormal directions hold of a sum's energy, its trace: 0 to 1.

    Example:
        >>> shares_of(torch.eye(3)[:, :2], torch.diag(torch.tensor([6.0, 3.0, 1.0])))
        tensor([0.6000, 0.9000])
    """
    return ((gram @ directions) * directions).sum(0).cumsum(0).div(gram.trace()).clamp(0, 1)


def held_by_shared(one: Scatter, other: Scatter, most: int) -> Held:
    """By the best directions of all adapters, and by those of the other half.

    Args:
        one, other: The halves.
        most: Largest k.

    Example:
        Of two adapters that share nothing, one direction holds half of what it was fitted to, and none of the rest.

        >>> one, other = (Scatter(torch.diag(torch.tensor(s)), 1, 1.0) for s in ([1.0, 0.0], [0.0, 1.0]))
        >>> held_by_shared(one, other, 1)
        Held(fitted=tensor([0.5000]), left_out=tensor([0.]))
    """
    both = one.gram + other.gram
    fitted = shares_of(shared_directions(both, most), both)
    own = [shared_directions(half.gram, most) for half in (one, other)]
    return Held(fitted, crossed(own, one, other))


def crossed(
    directions: Sequence[Float[Tensor, "d k"]], one: Scatter, other: Scatter
) -> Float[Tensor, " k"]:
    """What each half's directions hold of the other half, mean over all adapters.

    Args:
        directions: Of `one`, asked about `other`, and of `other`, asked about `one`; orthonormal columns, best first.
        one, other: The halves.

    Returns:
        Of the first 1, 2, … k directions, from 0 to 1.

    Example:
        >>> one, other = Scatter(torch.diag(torch.tensor([3.0, 1.0])), 4, 4.0), Scatter(torch.eye(2), 2, 1.0)
        >>> crossed([torch.eye(2)[:, 1:], torch.eye(2)[:, :1]], one, other)  # (2·1/2 + 4·3/4)/6
        tensor([0.6667])
    """
    of_other = shares_of(directions[0], other.gram)
    of_one = shares_of(directions[1], one.gram)
    return (of_other * other.count + of_one * one.count) / (one.count + other.count)


def chance_of_left_out(one: Scatter, other: Scatter, k: int) -> Chance:
    """What the first k of any directions hold of ΔW whose directions are uniform and not known to them.

    The mean is k/d. Given the directions, an adapter's share has variance
    ``2·k(1 − k/d)·(Σw² − 1/d)/((d − 1)(d + 2))``; the shares of one half are independent, and the two halves' means
    are taken as if they moved together, which bounds the deviation of their mean whatever they do.

    Args:
        one, other: The halves.
        k: Most directions; d at most.

    Example:
        Of rank one in R⁴, a squared coordinate of a uniform unit vector: Beta(1/2, 3/2).

        >>> half = Scatter(torch.eye(4) / 4, 1, 1.0)
        >>> chance_of_left_out(half, half, 1)
        Chance(mean=tensor([0.2500], dtype=torch.float64), sd=tensor([0.2500], dtype=torch.float64))
    """
    d = one.gram.shape[-1]
    steps = torch.arange(1, min(k, d) + 1, dtype=torch.float64)
    total = one.count + other.count
    spread = 2 * steps * (1 - steps / d) / max(1, (d - 1) * (d + 2))
    sd = torch.zeros_like(steps)
    for half in (one, other):
        sd += (spread * max(half.peaked - half.count / d, 0.0)).sqrt() / total
    return Chance(steps / d, sd)


def centred(half: Scatter, total: Float[Tensor, "_ d"]) -> Scatter:
    """The same after the adapters' mean ΔW is taken from each: what a mean adapter does not explain.

    Args:
        half: Sums.
        total: Σ ΔW of the same adapters, each of norm 1; of the left side its transpose.

    Example:
        Nothing is left of two equal adapters, and all of two opposite ones.

        >>> delta = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
        >>> two = Scatter(2 * delta.mT @ delta, 2, 2.0)
        >>> [float(centred(two, total).gram.trace()) for total in (2 * delta, 0 * delta)]
        [0.0, 2.0]
    """
    return Scatter(half.gram - total.mT @ total / half.count, half.count, half.peaked)


def leading_pair(
    matrix: Float[Tensor, "out in"], k: int, rounds: int = 6
) -> tuple[Float[Tensor, "out k"], Float[Tensor, "in k"]]:
    """Nearly the k leading singular vectors of both sides, by subspace iteration from a fixed start.

    Of a matrix whose singular values fall slowly the subspace is not the very best one, which no use
    of it as a fixed subspace minds.

    Args:
        matrix: In the dtype to compute in.
        k: How many of each side; the smaller side at most.
        rounds: Of the iteration, above 128 × 128.

    Returns:
        Orthonormal columns of each side, largest singular value first.

    Example:
        >>> matrix = torch.tensor([[0.0, 0.0, -3.0], [1.0, 0.0, 0.0]])
        >>> u, v = leading_pair(matrix, 1)
        >>> u.abs().round().ravel(), v.abs().round().ravel(), (u.mT @ matrix @ v).round()
        (tensor([1., 0.]), tensor([0., 0., 1.]), tensor([[3.]]))
    """
    out, into = matrix.shape
    k = min(k, out, into)
    if min(out, into) <= _SMALL:
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        return u[:, :k], vh[:k].mT
    generator = torch.Generator().manual_seed(0)
    width = min(2 * k + 8, out, into)
    v = torch.randn(into, width, generator=generator, dtype=torch.float64).to(matrix)
    for _ in range(rounds):
        u = torch.linalg.qr(matrix @ torch.linalg.qr(v).Q).Q
        v = matrix.mT @ u
    q, r = torch.linalg.qr(v)
    turn, _, turned = torch.linalg.svd(r)
    return u @ turned.mT[:, :k], q @ turn[:, :k]


def uniform_scatter(
    d: int, weights: Float[Tensor, "n r"], generator: torch.Generator
) -> Float[Tensor, "d d"]:
    """The sum for adapters of the same singular values whose directions are drawn anew, each uniform.

    Args:
        d: Width of the side.
        weights: Shares of each adapter's energy by singular value; rows sum to 1.
        generator: Of the directions.

    Example:
        Whatever is drawn, one adapter's sum has its weights as eigenvalues.

        >>> weights = torch.tensor([[0.75, 0.25]], dtype=torch.float64)
        >>> gram = uniform_scatter(3, weights, torch.Generator().manual_seed(0))
        >>> torch.linalg.eigvalsh(gram).round(decimals=4).abs()
        tensor([0.0000, 0.2500, 0.7500], dtype=torch.float64)
    """
    n, r = weights.shape
    drawn = torch.randn(n, d, r, generator=generator, dtype=torch.float64)
    frames = torch.linalg.qr(drawn).Q
    rows = (frames * weights.sqrt()[:, None]).mT.reshape(n * r, d)
    return rows.mT @ rows
