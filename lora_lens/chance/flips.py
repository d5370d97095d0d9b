"""The sign-flip null: a factor turned so that it keeps how it lies on its own W's singular directions.

With ``W_l = U S Vᵀ``, ``B'_l = (I − UUᵀ)B_l + U D UᵀB_l`` for random signs D: how much of B_l lies on each
singular direction, and outside all of them, stays; what one θ for all layers would need does not. It
is exact for rows of ``UᵀB_l`` that are sign-symmetric and independent, as those of uniform B_l are and
those of ``W_lθ_l`` with a Gaussian θ_l of each layer's own. To be beyond it says "not explained by
where B_l lies on W_l's singular directions".

Where singular values are equal, U is arbitrary, and the signs turn into rotations within their span. Those that
are below float32's resolution (float64's of a W stored in that) are none: what they belong to lies outside of all
directions. A W of low rank that was rounded to half precision is not seen to be one, for its rounding is above that;
nor are singular values that were equal before W was rounded. The level is right all the same, for signs on any basis of
a span are among its rotations. To rotate whatever is closer than rounding would not be: of a real W in bfloat16 two
fifths of the neighbours are, and differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..core.numbers.precision import singular_cutoff
from ..core.spectra.intruders import random_directions
from .gaussian_moments import Moments

_CLOSE = 10  # times size·eps·σ_max: singular values that are no further apart count as equal
_ENTRIES = 1 << 20  # numbers at once in the products of single-layer flips


class Directions(NamedTuple):
    """W's singular directions, as many as its rank m.

    Attributes:
        u, v: Left and right singular vectors.
        s: Singular values, all above the cutoff below which one counts as zero.
        clusters: Positions of singular values that are equal, two or more in each.
    """

    u: Float[Tensor, "out m"]
    v: Float[Tensor, "in m"]
    s: Float[Tensor, " m"]
    clusters: tuple[slice, ...]

    @property
    def transposed(self) -> Directions:
        """Those of Wᵀ."""
        return Directions(self.v, self.u, self.s, self.clusters)


@dataclass(frozen=True)
class OwnDirections:
    """A factor in the coordinates of its W's left singular vectors.

    Attributes:
        of: W's directions.
        inside: Coordinates of Q on them.
        outside: What of Q lies outside their span.
    """

    of: Directions
    inside: Float[Tensor, "m r"]
    outside: Float[Tensor, "out r"]

    def turned(self, draws: int, generator: torch.Generator) -> Float[Tensor, "draws m r"]:
        """Coordinates of turned factors on U; what lies outside stays."""
        signs = torch.randint(0, 2, (draws, len(self.inside), 1), generator=generator) * 2 - 1
        turned = self.inside * signs.to(self.inside)
        for cluster in self.of.clusters:
            turned[:, cluster] = _rotations(self.inside[cluster], draws, generator)
        return turned

    def turned_rows(self, draws: int, generator: torch.Generator) -> Float[Tensor, "draws r in"]:
        """``QᵀW`` of turned factors Q, W at unit norm."""
        return self.rows(self.turned(draws, generator))

    def rows(self, inside: Float[Tensor, "draws m r"]) -> Float[Tensor, "draws r in"]:
        """``QᵀW`` of factors by their coordinates on U, W at unit norm: W has nothing of what lies outside."""
        of, norm = self.of, self.of.s.norm()
        return (inside.mT * (of.s / torch.where(norm > 0, norm, 1))) @ of.v.mT


def directions(w: Float[Tensor, "out in"], cutoff: float | None = None) -> Directions:
    """By a singular value decomposition in float64.

    Args:
        w: In any dtype.
        cutoff: Share of σ_max up to which a singular value counts as zero, from `singular_cutoff`; by default that of
            a W stored in the dtype that it is given in.

    Example:
        >>> directions(torch.diag(torch.tensor([3.0, 2.0, 2.0]))).clusters
        (slice(1, 3, None),)
        >>> directions(torch.diag(torch.tensor([1.0, 1e-8, 0.0]))).s  # in float32
        tensor([1.], dtype=torch.float64)
        >>> w = torch.tensor([[0.0, 3.0], [1.0, 2.0], [4.0, 0.0]], dtype=torch.float64)
        >>> of = directions(w)
        >>> torch.allclose(of.u @ of.s.diag() @ of.v.mT, w)
        True
    """
    u, s, vh = torch.linalg.svd(w.double(), full_matrices=False)
    if cutoff is None:
        cutoff = singular_cutoff(w.dtype, w.dtype, (w.shape[0], w.shape[1]))
    rank = int((s > cutoff * s[:1]).sum())
    u, s, vh = u[:, :rank], s[:rank], vh[:rank]
    close = (s[:-1] - s[1:]) <= _CLOSE * max(w.shape) * torch.finfo(s.dtype).eps * s[:1]
    clusters = tuple(_runs(close))
    u, v = u.contiguous(), vh.mT.contiguous()
    for cluster in clusters:
        turn = _settling(u[:, cluster])
        u[:, cluster], v[:, cluster] = u[:, cluster] @ turn, v[:, cluster] @ turn
    return Directions(u, v, s, clusters)


def _settling(u: Float[Tensor, "out c"]) -> Float[Tensor, "c c"]:
    """What turns a basis into one that is the span's alone: which one a decomposition gives depends on the machine."""
    fixed = torch.randn(u.shape, generator=torch.Generator().manual_seed(0), dtype=u.dtype)
    q, r = torch.linalg.qr(u.mT @ fixed.to(u))
    return q * torch.where(r.diagonal() < 0, -1.0, 1.0)


def own_directions(of: Directions, q: Float[Tensor, "out r"]) -> OwnDirections:
    """Q in the coordinates of W's singular directions, in float64.

    Example:
        >>> of = directions(torch.tensor([[0.0], [2.0], [0.0]]))  # W has the second axis alone
        >>> own = own_directions(of, torch.tensor([[0.0], [0.6], [0.8]]))
        >>> own.inside.abs(), own.outside.abs().round(decimals=6).mT
        (tensor([[0.6000]], dtype=torch.float64), tensor([[0.0000, 0.0000, 0.8000]], dtype=torch.float64))
    """
    q = q.double()
    inside = of.u.mT @ q
    return OwnDirections(of, inside, q - of.u @ inside)


def single_moments(
    own: OwnDirections, predicted: Float[Tensor, "out k"], rank: int
) -> Moments | None:
    """Mean and deviation of ‖PᵀB'‖²/r over flips of this layer alone, the fit being of the others, in closed form; None with clusters.

    With P_ij and R_ij the projectors on the prediction and on the factor in U's coordinates, the mean
    is ``Σ_i P_ii R_ii/r`` and the variance ``2 Σ_{i≠j} (P_ij R_ij)²/r²``. The prediction ``W_lθ`` lies in
    U's span, so that what of the factor is outside of it never counts, whatever W's shape.

    Args:
        own: The layer's factor.
        predicted: Orthonormal, from the other layers.
        rank: r, the factor's.

    Example:
        Flips turn this line onto itself or onto one at a cosine of 0.28.

        >>> line = torch.tensor([[0.6], [0.8]], dtype=torch.float64)
        >>> own = own_directions(directions(torch.diag(torch.tensor([2.0, 1.0]))), line)
        >>> mean, sd = single_moments(own, line, 1)
        >>> round(mean, 4), round(sd, 4)  # of 1 and 0.0784
        (0.5392, 0.4608)
    """
    if own.of.clusters:
        return None
    p, r = own.of.u.mT @ predicted, own.inside
    both = (p @ p.mT) * (r @ r.mT)
    diagonal = both.diagonal()
    variance = 2 * (both.square().sum() - diagonal.square().sum()).clamp(min=0)
    return Moments(float(diagonal.sum()) / rank, float(variance.sqrt()) / rank)


def single_flips(
    own: OwnDirections,
    predicted: Float[Tensor, "out k"],
    rank: int,
    draws: int,
    generator: torch.Generator,
) -> Float[Tensor, " draws"]:
    """‖PᵀB'‖²/r of `draws` flips of this layer alone: small products, and no fit anew.

    Args:
        own, predicted, rank: As in `single_moments`.
        draws: How many.
        generator: Of the flips.

    Example:
        >>> line = torch.tensor([[0.6], [0.8]], dtype=torch.float64)
        >>> own = own_directions(directions(torch.diag(torch.tensor([2.0, 1.0]))), line)
        >>> single_flips(own, line, 1, 100, torch.Generator().manual_seed(0)).round(decimals=6).unique()
        tensor([0.0784, 1.0000], dtype=torch.float64)
    """
    p = own.of.u.mT @ predicted
    if own.of.clusters:
        step = max(1, _ENTRIES // own.inside.numel())
        sizes = [min(step, draws - begun) for begun in range(0, draws, step)]
        parts = [(p.mT @ own.turned(size, generator)).square().sum((-2, -1)) for size in sizes]
        return torch.cat(parts) / rank
    pairs = (p[:, :, None] * own.inside[:, None, :]).flatten(1)
    signs = torch.randint(0, 2, (draws, len(p)), generator=generator, dtype=torch.int8) * 2 - 1
    step = max(1, _ENTRIES // max(pairs.shape))
    parts = [(some.to(pairs) @ pairs).square_().sum(-1) for some in signs.split(step)]
    return torch.cat(parts) / rank


def _rotations(
    rows: Float[Tensor, "c r"], draws: int, generator: torch.Generator
) -> Float[Tensor, "draws c r"]:
    """The rows turned by uniform rotations (and reflections) of their space.

    With QR = rows, which has as many columns as the factor at most, Q turned is a uniform frame: the whole
    rotation, as large as W where all its singular values are equal, is never made.
    """
    inner = torch.linalg.qr(rows).R
    return random_directions(len(rows), len(inner), draws, generator).to(rows) @ inner


def _runs(close: Bool[Tensor, " n"]) -> list[slice]:
    """Positions of neighbours that are close, run by run."""
    found: list[slice] = []
    start: int | None = None
    for k, near in enumerate([*close.tolist(), False]):
        if near and start is None:
            start = k
        elif not near and start is not None:
            found.append(slice(start, k + 1))
            start = None
    return found
