"""What `shared_subspace` cannot do without, by its method: python benchmarks/shared_floor.py.

θ is fitted anew without each layer in every draw of a null. Whatever else is saved, that takes products, at the speed of
torch's own here, and decompositions:

- of each W0 its singular vectors, which the flips turn factors by;
- of each layer's S₋ₗ, for A and for B, a Cholesky factor, and its triangle times the rows of all variants of the factors;
- of each fit either the Gram matrix of its rows, or as many products of θ with a matrix of W0's width as an iteration
  takes, whichever `lora_lens.core.shared.refits` finds cheaper; and W0 times θ, for the share.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from lora_lens.core.shared.chebyshev import DEGREE, block_of
from lora_lens.core.shared.refits import theta_costs_less
from lora_lens.questions.shared.predicted import DESCRIBING
from lora_lens.questions.shared.variants import counts

_BATCH = 64  # fits at once
_FACTORS = 2  # A and B


def floor(width: int, layers: int, rank: int, draws: int) -> dict[str, float]:
    """Seconds of the processor, of one module, by part."""
    made, few = counts(layers, draws), min(draws, DESCRIBING)
    nulls = {made.flipped: draws, made.uniform: few, layers: few}  # by variants of a layer
    generator = torch.Generator().manual_seed(0)

    def gaussian(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    w0 = gaussian(width, width, dtype=torch.float64)
    s = w0.mT @ w0 + torch.eye(width, dtype=torch.float64)
    square, rows = gaussian(width, width), gaussian(layers * sum(nulls) * rank, width)
    block = block_of(rank)
    of_one, theta = gaussian(_BATCH, (layers - 1) * rank, width), gaussian(_BATCH * rank, width)
    iterated = gaussian(_BATCH * block, width)
    by_gram, by_theta = (
        seconds(lambda: of_one @ of_one.mT) / _BATCH,
        (2 * DEGREE + 2) * seconds(lambda: iterated @ square) / _BATCH,
    )
    fits = sum(
        many * (by_theta if theta_costs_less(layers, count, rank, width, many, rank) else by_gram)
        for count, many in nulls.items()
    )
    image = sum(nulls.values()) * seconds(lambda: theta @ square) / _BATCH
    return {
        "directions": layers * seconds(lambda: torch.linalg.svd(w0)),
        "whitening": _FACTORS
        * layers
        * (seconds(lambda: torch.linalg.cholesky(s)) + seconds(lambda: rows @ square) / 2),
        "fits": _FACTORS * layers * (fits + image),
    }


def seconds(action: Callable[[], object]) -> float:
    """The least of three, of the processor."""
    found = []
    for _ in range(3):
        start = time.process_time()
        action()
        found.append(time.process_time() - start)
    return min(found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for sizes in ((768, 12), (256, 8), (256, 16), (256, 32)):
        parts = floor(*sizes, 8, 200)
        print(
            sizes,
            {name: round(one, 2) for name, one in parts.items()},
            round(sum(parts.values()), 2),
        )
