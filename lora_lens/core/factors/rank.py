"""Numerical rank: how many singular values are more than rounding."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float

from ...errors import RankError
from ..numbers.either import FLOAT32_EPS, in_float64, is_torch, namespace, swapped
from .decompositions import singular_values
from .triangle import triangle

# Times the precision and the largest of them: how near equal singular values come out.
_ROUNDING = 4
_PRODUCT = (
    10  # times size, precision and the norms of its factors: what a product is off by at most
)


def numerical_rank(x: Float[Any, "*batch m n"], eps: float | None = None) -> Any:
    """How many singular values exceed ``min(max(m, n), 8·min(m, n))·eps`` of the largest.

    numpy's rule, but for thin matrices, where it would take real directions for rounding: entries
    rounded to their dtype move singular values by at most ``√min(m, n)·eps/2`` of the largest,
    whatever the longer dimension, and a product of thin factors computed in that dtype moves them by
    a few times as much. A factor of 4096×8 in float32 has rank 8 up to a condition number of 1e5.

    Args:
        x: Real and finite: a NumPy array or a torch tensor.
        eps: By default that of the input's dtype, and float32's for shorter types, whose own would
            leave a 768-dimensional matrix no rank at all.

    Example:
        >>> import torch
        >>> numerical_rank(torch.diag(torch.tensor([1.0, 1e-3, 1e-9])))
        tensor(2)
    """
    eps = stored_eps(x) if eps is None else eps
    return rank_of(wide_singular_values(x), (x.shape[-2], x.shape[-1]), eps)


def wide_singular_values(x: Float[Any, "*batch m n"]) -> Float[Any, "*batch k"]:
    """Singular values in float64, descending, of a matrix in any dtype; no gradient goes through them.

    Example:
        >>> import numpy as np
        >>> wide_singular_values(np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 0.0]], dtype="float16"))
        array([3., 2.])
    """
    wide = in_float64(x.detach() if is_torch(x) else x)
    tall = wide if wide.shape[-2] >= wide.shape[-1] else swapped(wide)
    return singular_values(triangle(tall))


def rank_of(s: Float[Any, "*batch k"], shape: tuple[int, int], eps: float) -> Any:
    """`numerical_rank` of a matrix of that shape, from its singular values, descending.

    Example:
        >>> import numpy as np
        >>> s = np.array([2.0, 2e-5])  # numpy's rule would take the second for rounding
        >>> int(rank_of(s, (4096, 2), FLOAT32_EPS)), int(rank_of(s, (4096, 2048), FLOAT32_EPS))
        (2, 1)
    """
    return (s > _cutoff(shape, eps) * s[..., :1]).sum(-1)


def _cutoff(shape: tuple[int, int], eps: float) -> float:
    long, short = max(shape), min(shape)
    return min(long, 8 * short) * eps


def rank_of_product(s: Float[Any, "*batch k"], scale: Float[Any, "*batch"], size: int) -> Any:
    """How many singular values of a computed product are more than its rounding: below it the factors have cancelled.

    Args:
        s: Of the product, descending, in the dtype that it was computed in.
        scale: What they would be of, were the factors not to cancel: the product of the factors' norms.
        size: The product's larger dimension.

    Example:
        >>> import numpy as np
        >>> s, scale = np.array([[1.0, 1e-20]]), np.array([2**52 / 80])  # whose rounding is 1 at size 8
        >>> rank_of_product(s, 0.99 * scale, 8), rank_of_product(s, 1.01 * scale, 8)
        (array([1]), array([0]))
    """
    floor = _PRODUCT * size * float(namespace(s).finfo(s.dtype).eps) * scale
    return (s > floor[..., None]).sum(-1)


def stored_eps(x: Any) -> float:
    """The resolution of the dtype that `x` is stored in; of shorter types than float32, float32's.

    Example:
        >>> import numpy as np
        >>> dtypes = "float16", "float32", "float64"
        >>> [stored_eps(np.ones(1, dtype)) for dtype in dtypes] == [2**-23, 2**-23, 2**-52]
        True
    """
    return min(float(namespace(x).finfo(x.dtype).eps), FLOAT32_EPS)


def coarser(one: Any, other: Any) -> Any:
    """Of two factors the one whose stored precision is less: it says what rounding is in their product.

    Example:
        >>> import torch
        >>> coarser(torch.ones(1, dtype=torch.float64), torch.ones(2)).dtype
        torch.float32
    """
    return max((other, one), key=stored_eps)


def tied(s: Float[Any, "*batch k"], k: int, x: Any) -> Any:
    """Whether the top k singular vectors are not determined: values k and k + 1 are equal to rounding, and no rounding themselves.

    Args:
        s: Singular values of `x`, or of what is made of it, descending.
        k: At least 1; at all of them nothing is tied.
        x: Whose stored precision says what rounding is.

    Example:
        >>> import numpy as np
        >>> x = np.diag([3.0, 2.0, 2.0, 0.0])
        >>> [bool(tied(wide_singular_values(x), k, x)) for k in (1, 2, 3, 4)]
        [False, True, False, False]
    """
    if k >= s.shape[-1]:
        return 0 * s[..., 0] > 0
    eps, largest = stored_eps(x), s[..., 0]
    real = s[..., k] > _cutoff((x.shape[-2], x.shape[-1]), eps) * largest
    return real & (s[..., k - 1] - s[..., k] <= _ROUNDING * eps * largest)


def check_rank(x: Any, k: int, *, name: str) -> Any:
    """The singular values, descending, of which k are no rounding in every matrix of the batch; else RankError.

    Args:
        x: A torch tensor, real and finite.
        k: How many singular vectors are asked for.
        name: Whose they are, for the message.

    Example:
        >>> import torch
        >>> check_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0])), 2, name="W0").tolist()
        [3.0, 1.0, 0.0]
        >>> check_rank(torch.zeros(2, 2), 1, name="W0")
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: W0 is all zero (rank 0); it has no singular subspace to compare
    """
    if k < 1:
        raise RankError(f"asked for {k} singular vectors of {name}; expected at least 1")
    s = wide_singular_values(x)
    rank = int(rank_of(s, (x.shape[-2], x.shape[-1]), stored_eps(x)).min()) if x.numel() else 0
    if k > rank:
        shape = "x".join(map(str, x.shape[-2:]))
        raise RankError(
            f"asked for {k} singular vectors of {name}, a {shape} matrix of rank {rank}; "
            f"the vectors above the rank are arbitrary, so ask for at most {rank}"
            if rank
            else f"{name} is all zero (rank 0); it has no singular subspace to compare"
        )
    return s
