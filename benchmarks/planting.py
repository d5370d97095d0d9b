"""Factors that are planted on a base's W0."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NOISE = ("uniform", "leading", "profile")


def factor(w: Tensor, case: str, r: int, generator: torch.Generator) -> Tensor:
    """Of every layer of W."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    layers, out, wide = w.shape
    if case == "leading":
        return w @ normal(layers, wide, r)
    noise = normal(layers, out, r)
    if case == "uniform":
        return noise
    if case == "profile":
        u, _, v = torch.linalg.svd(noise, full_matrices=False)
        return u * torch.logspace(0, -2, r, dtype=torch.float64) @ v
    share = float(case)
    shared = w @ normal(wide, r)
    return math.sqrt(share) * shared / size(shared) + math.sqrt(1 - share) * noise / size(noise)


def size(factors: Tensor) -> Tensor:
    """Frobenius norms."""
    return factors.norm(dim=(-2, -1), keepdim=True)
