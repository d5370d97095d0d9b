"""The largest eigenvalues of a Gram operator MᵀM, by Lanczos; for norms and condition numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK = 6  # vectors at once: what one start hardly has, another does
_SHARE = (
    8  # of the steps so far, that are taken before it is looked at again: that costs more with each
)
_ROOM = 8  # blocks that there is room for to begin with
_GROWING = 4  # steps before growth is relied on: in fewer, the largest hides behind many alike
_APART = 0.3  # of what may be missing: what a largest one that stands apart can be short by
TWO_DIGITS = 2e-2  # of a norm's square, where two digits of the norm are enough


def largest_singular_value(
    gram: Callable[[Tensor], Tensor],
    like: Float[Tensor, "layer _ n"],
    *,
    tolerance: float,
) -> Float[Tensor, " layer"]:
    """‖M‖₂ of each operator of a batch, given products with MᵀM on R^n.

    Block Lanczos with full reorthogonalisation from six random vectors, the same each time, until what further steps
    would add is below `tolerance`, or an eigenvalue of MᵀM is within that squared: each layer's own steps, whichever others there are. At the edge of
    a crowd, the slowest case, what is missing after k steps falls as 1/k²: it is k/2 times what the last step
    has added. The residual has to be below the root of `tolerance`, whose square the error is where the largest stands
    apart: there it is the residual's square over the distance to the next (Kato 1949, Temple 1928), which tells it a step earlier.
    Found from below; at the latest when the blocks have n vectors, when it is exact. Fewer vectors overlook the largest of several
    that lie near each other: four, one of five within a tenth in one start of 300, which is 2.5 % short. Six can overlook one above a hundred alike: of one
    3 % above 99, 3 of 200 starts are 3 % short, and of one a tenth above 99 above a crowd, 2 are a tenth short.

    Args:
        gram: (layer, n, k) to (layer, n, k), with the columns contiguous.
        like: Its dtype and device, number of layers and n.
        tolerance: The share of ‖M‖₂² that may be missing, twice that of ‖M‖₂.

    Returns:
        (layer,); infinite where the operator is not finite.

    Example:
        >>> m = torch.diag(torch.tensor([3.0, 2.0, 1.0]))[None]
        >>> round(largest_singular_value(lambda v: m.mT @ (m @ v), m, tolerance=1e-10).item(), 4)
        3.0
    """
    return leading(gram, like, tolerance=tolerance).norm


class Leading(NamedTuple):
    """‖M‖₂ of each operator, and the directions that it lengthens most, orthonormal, the most last."""

    norm: Float[Tensor, " layer"]
    directions: Float[Tensor, "layer n k"]


def leading(
    gram: Callable[[Tensor], Tensor],
    like: Float[Tensor, "layer _ n"],
    *,
    tolerance: float,
) -> Leading:
    """`largest_singular_value`, of the same arguments, with six Ritz vectors, or n where that is less.

    Example:
        >>> m = torch.diag(torch.tensor([3.0, 2.0, 1.0]))[None]
        >>> most = leading(lambda v: m.mT @ (m @ v), m, tolerance=1e-10).directions[0, :, -1]
        >>> [round(abs(entry), 4) for entry in most.tolist()]
        [1.0, 0.0, 0.0]
    """
    layers, n = like.shape[0], like.shape[-1]
    basis = v = _block(like)
    steps = -(-n // v.shape[-2])
    projected = _Projected.like(v)
    largest, before, looked = like.new_zeros(layers), like.new_zeros(layers), 0
    found, done = before, torch.zeros(layers, dtype=torch.bool, device=like.device)
    broken = done.clone()
    for step in range(1, steps + 1):
        w = gram(v.mT).mT
        if not bool(torch.isfinite(w).all()):
            finite = torch.isfinite(w).all(-1).all(-1)
            broken |= ~finite
            w = torch.where(finite[:, None, None], w, 0)
        diagonal = v @ w.mT
        # Twice is enough (Kahan and Parlett), with QR between: of vectors that differ little but in what
        # is in the basis, it leaves what the first time rounded off.
        v, beta = _orthonormal(w - (w @ basis.mT) @ basis)
        v, again = _orthonormal(v - (v @ basis.mT) @ basis)
        beta = again @ beta
        # Where the Krylov space is exhausted, what is left is rounding: it must not be normalised.
        largest = torch.maximum(largest, diagonal.diagonal(dim1=-2, dim2=-1).amax(-1))
        rounding = n * torch.finfo(w.dtype).eps * largest[:, None]
        left = beta.diagonal(dim1=-2, dim2=-1).abs() > rounding
        if not bool(left.all()):
            v, beta = torch.where(left[..., None], v, 0), torch.where(left[..., None], beta, 0)
        projected.add(diagonal, beta)
        if step - looked >= step // _SHARE or step == steps:
            value, gap, residual, vectors = projected.top()
            missing = (value - before) / (step - looked) * step / 2
            settled = residual <= tolerance**2
            if step > 1:  # the first block's second value says nothing yet
                settled |= residual**2 <= _APART * tolerance * gap
            if step >= _GROWING:
                settled |= (missing <= tolerance * value) & (residual <= tolerance**0.5)
            # Of each layer at the step that suffices for it, whichever others go on.
            found, done = found.where(done, value), done | settled
            if step == steps or bool(done.all()):
                return Leading(found.sqrt().masked_fill(broken, torch.inf), basis.mT @ vectors)
            before, looked = value, step
        basis = torch.cat([basis, v], dim=-2)
    raise AssertionError("unreachable: the last step returns")


def _block(like: Float[Tensor, "layer _ n"]) -> Float[Tensor, "layer block n"]:
    """Orthonormal vectors to begin with, a vector a row: products with few columns are slower."""
    n = like.shape[-1]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(min(_BLOCK, n), n, generator=generator, dtype=torch.float64)
    return _orthonormal(drawn.to(like)).rows.expand(len(like), -1, -1)


class _Orthonormal(NamedTuple):
    rows: Float[Tensor, "*layer block n"]
    factor: Float[Tensor, "*layer block block"]  # its transpose times `rows` is what was given


def _orthonormal(rows: Float[Tensor, "*layer block n"]) -> _Orthonormal:
    q, r = torch.linalg.qr(rows.mT)
    return _Orthonormal(q.mT, r)


@dataclass
class _Projected:
    """The block-tridiagonal matrix so far, of each layer, in the corner of one that there is room to add to.

    Attributes:
        room: Zero beyond what was added.
        size: Of a block.
        next: The block that leads on from the last.
    """

    room: Float[Tensor, "layer m m"]
    size: int
    next: Float[Tensor, "layer block block"]
    blocks: int = 0

    @classmethod
    def like(cls, v: Float[Tensor, "layer block n"]) -> _Projected:
        layers, size, _ = v.shape
        room = v.new_zeros(layers, _ROOM * size, _ROOM * size)
        return cls(room, size, room[:, :size, :size])

    def add(
        self,
        diagonal: Float[Tensor, "layer block block"],
        following: Float[Tensor, "layer block block"],
    ) -> None:
        """The next block on the diagonal, and the one below it, which leads on."""
        start = self.blocks * self.size
        stop = start + self.size
        if stop > self.room.shape[-1]:
            self.room = torch.nn.functional.pad(self.room, (0, start, 0, start))
        here = slice(start, stop)
        self.room[:, here, here] = (diagonal + diagonal.mT) / 2
        if self.blocks:
            last = slice(start - self.size, start)
            self.room[:, here, last] = self.next
            self.room[:, last, here] = self.next.mT
        self.next = following
        self.blocks += 1

    def top(self) -> _Top:
        """Its largest eigenvalue, and how far that is from an eigenvalue of the operator.

        Of shares the squares are in float32's range, where those of eigenvalues from 2e19 on, or below 1e-23, are not.
        """
        stop = self.blocks * self.size
        values, vectors = torch.linalg.eigh(self.room[:, :stop, :stop])
        value = values[..., -1]
        unit = torch.where(value > 0, value, 1)
        gap = (value - values[..., -2]) / unit if stop > 1 else torch.ones_like(value)
        residual = (self.next / unit[:, None, None]) @ vectors[..., -self.size :, -1:]
        return _Top(value, gap, residual.norm(dim=-2)[..., 0], vectors[..., -self.size :])


class _Top(NamedTuple):
    """The largest eigenvalue; its distance to the next and its residual, as shares of it; a block of eigenvectors up to its own."""

    value: Float[Tensor, " layer"]
    gap: Float[Tensor, " layer"]
    residual: Float[Tensor, " layer"]
    vectors: Float[Tensor, "layer m block"]
