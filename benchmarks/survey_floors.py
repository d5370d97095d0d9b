"""What the questions of a survey cannot do without beside φ's kernel, at the speed of torch's and LAPACK's own functions.

Of random numbers, at one place; see `survey.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.linalg import eigh

from lora_lens.core.factors.subspace_iteration import REDUCED

_HALVES = 14  # of seven ways to halve the adapters
# Sums whose leading directions are asked for: of each half and of all, beside the mean and not, on both sides; and random ones.
_LED = 4 * (_HALVES + 1) + 1
# Means: without every one or two of eight folds, of each half, and of all.
_MEANS = 36 + _HALVES + 1
_ROUNDS = 6
_NULLS = 3


def sums_are_whole(count: int, rank: int, width: int) -> bool:
    """Whether the survey sums matrices of W0's width, and decomposes them by LAPACK: what is counted here."""
    return 2 * count * rank > width and width <= REDUCED


def bases(count: int, rank: int, width: int) -> None:
    """Of A and of B, and ΔW's singular vectors among them."""
    factors = torch.randn(count, width, rank, dtype=torch.float64)
    for _ in range(2):
        q, r = torch.linalg.qr(factors)
    u, _, _ = torch.linalg.svd(r)
    for _ in range(2):
        q @ u


def subspaces(count: int, rank: int, width: int, most: int = 32) -> None:
    """Three sums over all adapters, the leading directions of those of all halves, and the leading pairs of means."""
    rows = torch.randn(count * rank, width, dtype=torch.float64)
    for _ in range(3):
        gram = rows.mT @ rows
    span = [width - most, width - 1]
    for _ in range(_LED):
        eigh(gram.numpy(), subset_by_index=span, driver="evr")
    some = torch.randn(width, 2 * rank + 8, dtype=torch.float64)
    for _ in range(2 * _ROUNDS * _MEANS):
        gram @ some


def inner_products(count: int, rank: int, width: int) -> None:
    """Of what every two adapters hold of a start and of both means, for the mean of φ and for its deviation; a mean is without both their folds."""
    rows, means = (torch.randn(n, width, dtype=torch.float64) for n in (count * rank, 8 * rank))
    for _ in range(_NULLS):
        rows @ means.mT
    held = torch.randn(count, rank**2, dtype=torch.float64)
    for _ in range(2 * _NULLS):
        for first in range(0, count, 128):
            held[first : first + 128] @ held[first:].mT


def weighted_sums(count: int, rank: int, columns: int) -> None:
    """⟨ΔW_i, ΔW_j⟩ and what it varies by, of products that are at hand."""
    one, other = torch.randn(2, columns, columns, dtype=torch.float64)
    weights = torch.rand(columns, dtype=torch.float64)
    blocks = -(-count * rank // columns)
    for _ in range(blocks * (blocks + 1) // 2):
        for entries in (one * other, other.square()):
            entries.reshape(-1, rank, columns // rank, rank).sum((1, 3)) @ weights[
                : columns // rank
            ]


def bytes_written(path: Path, size: int) -> None:
    """As many as the survey's files have."""
    block = np.zeros(1 << 22, np.uint8)
    with path.open("wb") as stream:
        for start in range(0, size, len(block)):
            stream.write(block[: size - start].data)
