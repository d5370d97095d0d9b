"""Subspaces after columns of W0 are rescaled, against pseudo-inverses of the rescaled W0."""

import pytest
import torch

from lora_lens.core.conversions.outliers import rescaled_bases
from lora_lens.errors import LensError


def made(scale: float, rank: int) -> tuple[torch.Tensor, ...]:
    """W of this rank, 12×9, whose columns 2 and 5 are to be rescaled, and a G."""
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(12, rank, generator=generator, dtype=torch.float64),
        torch.randn(rank, 9, generator=generator, dtype=torch.float64),
        torch.randn(12, 2, generator=generator, dtype=torch.float64),
    ]
    return parts[0] @ parts[1], parts[2], torch.tensor([[scale, 3.0]], dtype=torch.float64)


@pytest.mark.parametrize("rank", [6, 9])
@pytest.mark.parametrize("scale", [1e-4, 0.3, 20.0])
def test_against_the_pseudo_inverse(scale: float, rank: int) -> None:
    w, g, scales = made(scale, rank)
    chosen = torch.tensor([2, 5])
    inverse = torch.linalg.pinv(w, rtol=1e-10)
    reached = None if rank == 9 else (inverse @ w[:, chosen])[None]
    changed = w.clone()
    changed[:, chosen] *= scales[0]
    expected = torch.linalg.qr(torch.linalg.pinv(changed, rtol=1e-10) @ g).Q
    (found,) = rescaled_bases(torch.linalg.qr(inverse @ g).Q[None], chosen, scales, reached)
    assert torch.allclose(found @ found.mT, expected @ expected.mT, atol=1e-6)


def test_a_column_that_leaves_nothing_of_the_others_is_one_line() -> None:
    w, g, scales = made(1e-9, 6)
    inverse = torch.linalg.pinv(w, rtol=1e-10)
    reached = (inverse @ w[:, [2, 5]])[None]
    with pytest.raises(LensError, match=r"is 1e\+09 times as long as the median one"):
        rescaled_bases(torch.linalg.qr(inverse @ g).Q[None], torch.tensor([2, 5]), scales, reached)
