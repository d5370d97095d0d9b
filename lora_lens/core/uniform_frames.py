"""Independent uniform subspaces, drawn from few numbers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def uniform_bases(
    d: int, layers: int, k: int, *, draws: int, generator: torch.Generator
) -> Float[Tensor, "draw layer n k"]:
    """Orthonormal bases with the mutual angles of independent uniform k-subspaces of R^d.

    Angles depend on the Gram matrix of the layers' Gaussian d×k frames alone. Where they have fewer
    columns than d together, the frames' triangular factor has the same one: standard Gaussian above
    its diagonal, ``√χ²`` of d, d−1, … degrees of freedom on it (Bartlett 1933). So n is layers·k or
    d, whichever is less.
    """
    columns = layers * k
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    if columns > d:
        stacked = rng.standard_normal((draws, d, columns))
    else:
        stacked = np.triu(rng.standard_normal((draws, columns, columns)), 1)
        diagonal = np.sqrt(rng.chisquare(d - np.arange(columns), (draws, columns)))
        stacked[:, range(columns), range(columns)] = diagonal
    frames = torch.from_numpy(stacked).unflatten(-1, (layers, k)).transpose(-3, -2)
    return torch.linalg.qr(frames).Q
