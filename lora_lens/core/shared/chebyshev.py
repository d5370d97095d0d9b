"""The leading eigenvectors of many small matrices, by a Chebyshev filter from a start that is nearly right."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

DEGREE = 4
_ROUNDS = 4
TOLERANCE = 1e-2
_LITTLE = (
    1e-3  # of the largest Ritz value: the least end of the filtered interval, and the least gap
)
_TINY = 1e-30


@runtime_checkable
class Problems(Protocol):
    """Symmetric problems ``x·A = μ·x·B`` with A positive semi-definite, B near the identity, applied to rows."""

    def image(self, x: Float[Tensor, "batch s n"]) -> Float[Tensor, "batch s n"]:
        """``x·A``."""

    def metric(self, x: Float[Tensor, "batch s n"]) -> Float[Tensor, "batch s n"] | None:
        """``x·B``; None where B is the identity."""

    def solved(self, x: Float[Tensor, "batch s n"]) -> Float[Tensor, "batch s n"]:
        """``x·B⁻¹``, in place or not."""

    def some(self, which: Bool[Tensor, " batch"]) -> Problems:
        """Those of the batch that are marked."""

    def decomposed(self, k: int) -> Float[Tensor, "batch k n"]:
        """What is looked for, without iterating."""


def leading_eigenvectors(
    gram: Float[Tensor, "batch n n"],
    k: int,
    start: Float[Tensor, "batch s n"] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Float[Tensor, "batch k n"]:
    """Orthonormal rows that span the k leading eigenvectors of each positive semi-definite matrix.

    Small matrices are decomposed, larger ones `iterated`. Meant for float32 and for draws of a null, see
    `lora_lens.core.shared.refits`.

    Args:
        gram: Symmetric.
        k: At most n.
        start: Rows near the eigenvectors, `block_of` k for any speed; by default random ones.
        tolerance: As in `iterated`.

    Example:
        >>> gram = torch.diag(torch.tensor([1.0, 5.0, 3.0]))[None]
        >>> found = leading_eigenvectors(gram, 2)
        >>> (found.mT @ found).round().abs()  # the projector on the second and third axis
        tensor([[[0., 0., 0.],
                 [0., 1., 0.],
                 [0., 0., 1.]]])
    """
    n = gram.shape[-1]
    if decomposes(n, k):
        return _Dense(gram).decomposed(k)
    if start is None:
        generator = torch.Generator().manual_seed(0)
        start = (
            torch.randn(min(block_of(k), n), n, generator=generator, dtype=torch.float32)
            .to(gram)
            .expand(len(gram), -1, -1)
        )
    return iterated(_Dense(gram), k, start, tolerance=tolerance)


def decomposes(n: int, k: int) -> bool:
    """Whether a matrix is too small for an iteration to pay.

    Example:
        >>> decomposes(32, 1), decomposes(33, 1), decomposes(33, 9)
        (True, False, True)
    """
    return n <= max(32, 4 * k)


def block_of(k: int) -> int:
    """How many rows to iterate for k eigenvectors: of fewer, those that are left over converge slowly.

    Example:
        >>> block_of(2), block_of(20)
        (10, 40)
    """
    return max(2 * k, k + 8)


def iterated(
    problems: Problems,
    k: int,
    start: Float[Tensor, "batch s n"],
    *,
    tolerance: float = TOLERANCE,
    degree: int = DEGREE,
) -> Float[Tensor, "batch k n"]:
    """Rows that span the k leading eigenvectors of each problem, orthonormal in its B.

    Only the leading subspace is iterated: each round applies a Chebyshev polynomial, at most 1 on the unwanted part
    of the spectrum, to a block of rows and takes their Ritz vectors (Zhou and Saad 2007), until the error is below
    the tolerance; what is not after four rounds is decomposed.

    Args:
        problems: A batch of them.
        k: At most s.
        start: Rows near the eigenvectors.
        tolerance: Of the squared sine of the angles to the eigenvectors, averaged over the k, as the
            residuals bound it. The sines themselves are some 20 times below that bound.
        degree: Of the polynomial: products with A between two orthogonalisations.

    Example:
        Of ``diag(1, 2, 3, 4)`` without the last axis the third is the leading one.

        >>> from lora_lens.core.shared.downdated import Downdated
        >>> problem = Downdated(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 2 * torch.eye(4)[None, :, 3:])
        >>> iterated(problem, 1, torch.eye(4)[None, 1:] + 0.1).abs().round(decimals=1)
        tensor([[[0., 0., 1., 0.]]])
    """
    image = problems.image(start)
    block = _Block(start, image)
    ritz = (start * image).sum(-1) / start.square().sum(-1).clamp(min=_TINY)
    end, top = ritz.amin(-1), ritz.amax(-1)
    found = start.new_empty(len(start), k, start.shape[-1])
    left = torch.arange(len(start), device=start.device)
    for _ in range(_ROUNDS):
        block, ritz, error = _ritz(problems, _filtered(problems, block, end, top, degree), k)
        found[left] = block.x[:, -k:]
        bad = ~(error <= tolerance)
        if not bool(bad.any()):
            return found
        problems, left = problems.some(bad), left[bad]
        block = _Block(block.x[bad], block.image[bad])
        end, top = ritz[bad, 0], ritz[bad, -1]
    found[left] = problems.decomposed(k)
    return found


class _Block(NamedTuple):
    """Rows, and their products with A."""

    x: Tensor
    image: Tensor


class _Dense(NamedTuple):
    """Matrices as they are; B is the identity."""

    gram: Float[Tensor, "batch n n"]

    def image(self, x: Tensor) -> Tensor:
        return x @ self.gram

    def metric(self, x: Tensor) -> None:
        return None

    def solved(self, x: Tensor) -> Tensor:
        return x

    def some(self, which: Tensor) -> _Dense:
        return _Dense(self.gram[which])

    def decomposed(self, k: int) -> Tensor:
        return torch.linalg.eigh(self.gram).eigenvectors[..., -k:].mT


def _filtered(problems: Problems, block: _Block, end: Tensor, top: Tensor, degree: int) -> Tensor:
    """x·T(A·B⁻¹), for the Chebyshev polynomial T that is below 1 from 0 to `end`, scaled to 1 at `top`."""
    top = top.clamp(min=_TINY)[:, None, None]
    end = torch.maximum(end[:, None, None], _LITTLE * top)
    # Of the three-term recurrence, scaled so that nothing overflows (Zhou and Saad 2007).
    first = last = end / (2 * torch.maximum(top, end) - end)
    before, now = block.x, 2 * first / end * problems.solved(block.image) - first * block.x
    for _ in range(degree - 1):
        scale = 1 / (2 / first - last)
        step = problems.solved(problems.image(now)).mul_(4 * scale / end)
        before, now = (
            now,
            step.addcmul_(now, 2 * scale, value=-1).addcmul_(before, scale * last, value=-1),
        )
        last = scale
    return now


def _ritz(problems: Problems, x: Tensor, k: int) -> tuple[_Block, Tensor, Tensor]:
    """Ritz vectors and values of the rows' span, ascending, and a bound of the error of the k leading ones."""
    q = torch.linalg.qr(x.mT).Q.mT
    image, metric = problems.image(q), problems.metric(q)
    if metric is None:
        values, turn = torch.linalg.eigh(image @ q.mT)
        block = _Block(turn.mT @ q, turn.mT @ image)
        beside = block.x
    else:
        values, turn = generalised(image @ q.mT, metric @ q.mT)
        block = _Block(turn.mT @ q, turn.mT @ image)
        beside = turn.mT @ metric
    leading = values[:, -k:]
    residual = block.image[:, -k:] - beside[:, -k:] * leading[..., None]
    gap = torch.maximum(leading - values[:, :1], _LITTLE * values[:, -1:]).clamp(min=_TINY)
    return block, values, (residual.square().sum(-1) / gap.square()).mean(-1)


def generalised(
    a: Float[Tensor, "*batch n n"], b: Float[Tensor, "*batch n n"]
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n n"]]:
    """Eigenvalues of (A, B), ascending, and eigenvectors as columns, orthonormal in B: ``AX = BX·diag(values)``, ``XᵀBX = I``.

    By a Cholesky factor of B.

    Args:
        a: Symmetric.
        b: Symmetric and positive definite, which is not checked.

    Example:
        >>> c = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
        >>> values, x = generalised(c @ torch.diag(torch.tensor([1.0, 2.0])) @ c.mT, c @ c.mT)
        >>> values.round(decimals=4), x.abs().round(decimals=4)  # X = C⁻ᵀ
        (tensor([1., 2.]), tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]]))
    """
    factor = torch.linalg.cholesky_ex(b).L
    once = torch.linalg.solve_triangular(factor, a, upper=False)
    both = torch.linalg.solve_triangular(factor, once.mT, upper=False)
    values, vectors = torch.linalg.eigh((both + both.mT) / 2)
    return values, torch.linalg.solve_triangular(factor.mT, vectors, upper=True)
