"""How many singular vectors are compared, and whether a matrix has so many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, SupportsIndex

from jaxtyping import Float

from ..adapter import ModuleFactors
from ..arrays import Tensor
from ..core.factors.rank import numerical_rank, rank_of_product
from ..core.numbers.whole import whole_or_none
from ..errors import RankError

UNTRAINED = "the adapter is untrained there"
LEADING = 64  # directions of a dense matrix, where nobody says how many


class Dimensions(NamedTuple):
    """How many leading singular vectors of each side of a comparison."""

    i: int
    j: int


def select_dimensions(
    rank: SupportsIndex | None, i: SupportsIndex | None, j: SupportsIndex | None, smallest: int
) -> Dimensions:
    """i and j as given, else `rank`, else the smallest rank at hand.

    Raises:
        LensError: One of them is no whole number.

    Example:
        >>> select_dimensions(None, 4, None, smallest=8)
        Dimensions(i=4, j=8)
    """
    both, first, second = (
        whole_or_none(value, name) for value, name in ((rank, "rank"), (i, "i"), (j, "j"))
    )
    chosen = smallest if both is None else both
    return Dimensions(chosen if first is None else first, chosen if second is None else second)


def leading_of_dense(rank: int) -> int:
    """How many directions of a ΔW that has all of them lead by default: half of them at most, for all hold whatever there is.

    Example:
        >>> leading_of_dense(768), leading_of_dense(24)
        (64, 12)
    """
    return min(LEADING, max(1, rank // 2))


def zero_error(said: str, why: str = "") -> RankError:
    """That something has no singular vectors to compare, for it is zero.

    Example:
        >>> zero_error("W0 is all zero"), zero_error("ΔW is zero in layer 0", "its scaling is 0")
        (RankError('W0 is all zero, and a zero matrix has no singular subspace'), RankError('ΔW is zero in layer 0: its scaling is 0, and a zero matrix has no singular subspace'))
    """
    reason = f": {why}" if why else ""
    return RankError(f"{said}{reason}, and a zero matrix has no singular subspace")


def zero_said(paths: Sequence[str]) -> str:
    """Where ΔW is zero, of an answer that goes on without these layers.

    Example:
        >>> zero_said(["layer.0.value", "layer.2.value"])
        'ΔW is zero in layer.0.value, layer.2.value: untrained there, scaled by 0, or its factors cancel'
    """
    return f"ΔW is zero in {', '.join(paths)}: untrained there, scaled by 0, or its factors cancel"


def check_factor_ranks(factors: ModuleFactors, matrices: Sequence[str], needed: int) -> None:
    """Raise RankError unless A and B, as `matrices` need them, have numerical rank `needed` in every layer.

    The rank is the factor's own (`numerical_rank`), at the resolution of the file's dtype, but for shorter ones than
    float32 at float32's: neither padding nor a solve with W0 can then pass for more.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> check_factor_ranks(adapter.modules["value"], ["BA"], 8)
        >>> check_factor_ranks(adapter.modules["value"], ["BA"], 0)
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: asked for 0 singular vectors; expected at least 1
    """
    if needed < 1:
        raise RankError(f"asked for {needed} singular vectors; expected at least 1")
    used = {"A": factors.a, "B": factors.b}
    for name in ("A", "B"):
        if not any(name in matrix for matrix in matrices):
            continue
        ranks = numerical_rank(used[name]).tolist()
        short = {
            layer: rank for layer, rank in zip(factors.layers, ranks, strict=True) if rank < needed
        }
        if short:
            raise _too_low(name, factors.module, short, needed)


def check_not_rounding(
    s: Float[Tensor, "*layer k"], k: int, scale: Float[Tensor, "*layer"], size: int, name: str
) -> None:
    """Raise RankError where the k-th singular value of a computed matrix is only rounding.

    Args:
        s: Its singular values, descending.
        k: How many singular vectors are wanted.
        scale: What the matrix would be of, were its factors not to cancel: the product of their norms.
        size: Its larger dimension.
        name: For the message.

    Example:
        >>> import numpy as np
        >>> s, scale = np.array([[1.0, 1e-20]]), np.array([1.0])
        >>> check_not_rounding(s, 1, scale, 8, "B·A")
        >>> check_not_rounding(0 * s, 1, scale, 8, "B·A")
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: B·A is zero but for rounding in one layer: its factors cancel
    """
    check_above_rounding(int(rank_of_product(s, scale, size).min()), k, name)


def check_above_rounding(rank: int, k: int, name: str) -> None:
    """Raise RankError where fewer than `k` singular values of a product are more than rounding: `rank` in some layer.

    Example:
        >>> check_above_rounding(4, 4, "BA of query")
        >>> check_above_rounding(0, 4, "BA of query")
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: BA of query is zero but for rounding in one layer: its factors cancel
    """
    if rank < k:
        raise RankError(
            f"asked for {k} singular vectors of {name}, but in one layer all but {rank} of its singular "
            f"values are rounding, though its factors have rank enough; ask for at most {rank}"
            if rank
            else f"{name} is zero but for rounding in one layer: its factors cancel"
        )


def _too_low(name: str, module: str, short: dict[int, int], needed: int) -> RankError:
    if set(short.values()) == {0}:
        layers = ", ".join(map(str, short))
        return zero_error(f"{name} of {module} is all zero in layer {layers}", UNTRAINED)
    listed = ", ".join(f"layer {layer} has rank {rank}" for layer, rank in list(short.items())[:4])
    more = f" and {len(short) - 4} more" if len(short) > 4 else ""
    # Without a rank it is the adapter's own that is asked for, so the message says how to ask for another.
    least = min(short.values())
    return RankError(
        f"{needed} singular vectors of {name} of {module} are needed, but {listed}{more}; vectors above the rank are "
        f"arbitrary: ask for at most {least} (rank={least}, on the command line --rank {least})"
    )
