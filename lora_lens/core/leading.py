"""The leading eigenvectors of many small Gram matrices, by a Chebyshev filter from a start that is nearly right."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_DEGREE = 4
_ROUNDS = 4
_TOLERANCE = 1e-2
_LITTLE = (
    1e-3  # of the largest Ritz value: the least end of the filtered interval, and the least gap
)
_TINY = 1e-30


def leading_eigenvectors(
    gram: Float[Tensor, "batch n n"],
    k: int,
    start: Float[Tensor, "batch s n"] | None = None,
    *,
    tolerance: float = _TOLERANCE,
) -> Float[Tensor, "batch k n"]:
    """Orthonormal rows that span the k leading eigenvectors of each positive semi-definite matrix.

    Small matrices are decomposed. Of larger ones only the leading subspace is iterated: each round applies
    a Chebyshev polynomial, at most 1 on the unwanted part of the spectrum, to a block of rows and takes
    their Ritz vectors (Zhou and Saad 2007), until the error is below the tolerance; what is not after
    four rounds is decomposed. Meant for float32 and for draws of a null, see `lora_lens.core.refits`.

    Args:
        gram: Symmetric.
        k: At most n.
        start: Rows near the eigenvectors, more than k for any speed; by default 2k random ones.
        tolerance: Of the squared sine of the angles to the eigenvectors, averaged over the k, as the
            residuals bound it. The sines themselves are some 20 times below that bound.
    """
    n = gram.shape[-1]
    if n <= max(32, 4 * k):
        return _decomposed(gram, k)
    if start is None:
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(2 * k, n, generator=generator).to(gram).expand(len(gram), -1, -1)
    block = _Block(start, start @ gram)
    ritz = (block.x * block.image).sum(-1) / block.x.square().sum(-1).clamp(min=_TINY)
    end, top = ritz.amin(-1), ritz.amax(-1)
    found = gram.new_empty(len(gram), k, n)
    left = torch.arange(len(gram), device=gram.device)
    for _ in range(_ROUNDS):
        block, ritz, error = _ritz(gram, _filtered(gram, block, end, top), k)
        found[left] = block.x[:, -k:]
        bad = ~(error <= tolerance)
        if not bool(bad.any()):
            return found
        gram, left = gram[bad], left[bad]
        block = _Block(block.x[bad], block.image[bad])
        end, top = ritz[bad, 0], ritz[bad, -1]
    found[left] = _decomposed(gram, k)
    return found


class _Block(NamedTuple):
    """Rows, and their products with the Gram matrix."""

    x: Tensor
    image: Tensor


def _decomposed(gram: Tensor, k: int) -> Tensor:
    return torch.linalg.eigh(gram).eigenvectors[..., -k:].mT


def _filtered(gram: Tensor, block: _Block, end: Tensor, top: Tensor) -> Tensor:
    """x·T(K), for the Chebyshev polynomial T that is at most 1 from 0 to `end`."""
    scale = 2 / torch.maximum(end, _LITTLE * top).clamp(min=_TINY)[:, None, None]
    before, now = block.x, scale * block.image - block.x
    for _ in range(_DEGREE - 1):
        before, now = now, (now @ gram).mul_(2 * scale).sub_(now, alpha=2).sub_(before)
    return now


def _ritz(gram: Tensor, x: Tensor, k: int) -> tuple[_Block, Tensor, Tensor]:
    """Ritz vectors and values of the rows' span, ascending, and a bound of the error of the k leading ones."""
    q = torch.linalg.qr(x.mT).Q.mT
    image = q @ gram
    values, turn = torch.linalg.eigh(image @ q.mT)
    block = _Block(turn.mT @ q, turn.mT @ image)
    leading = values[:, -k:]
    residual = block.image[:, -k:] - block.x[:, -k:] * leading[..., None]
    gap = torch.maximum(leading - values[:, :1], _LITTLE * values[:, -1:]).clamp(min=_TINY)
    return block, values, (residual.square().sum(-1) / gap.square()).mean(-1)
