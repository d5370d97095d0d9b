"""Draws with θ fitted anew, against the fit of each draw's factors by itself."""

import torch

from lora_lens.core.left_out import left_out
from lora_lens.core.refits import Variants


def normal(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def drawn_and_fitted(layers: int, r: int, out: int, wide: int) -> tuple[torch.Tensor, torch.Tensor]:
    w = normal(layers, out, wide, seed=1)
    q = torch.linalg.qr(normal(layers, out, r, seed=2)).Q
    variants = torch.linalg.qr(normal(layers, 7, out, r, seed=3)).Q
    picks = torch.randint(7, (6, layers), generator=torch.Generator().manual_seed(4))
    drawn = left_out(w, q, r, {"some": Variants(variants, picks)}).drawn["some"]
    rows = torch.arange(layers)
    return drawn, torch.stack([left_out(w, variants[rows, pick], r).share for pick in picks])


def test_small_draws_are_their_own_fits() -> None:
    for shape in ((4, 3, 20, 20), (5, 2, 12, 30), (4, 3, 30, 12)):
        drawn, fitted = drawn_and_fitted(*shape)
        torch.testing.assert_close(drawn, fitted, atol=1e-4, rtol=0)


def test_large_draws_are_iterated_and_err_far_less_than_draws_scatter() -> None:
    drawn, fitted = drawn_and_fitted(12, 6, 48, 48)
    error = drawn - fitted
    assert float(error.abs().max()) < 0.1 * float(fitted.std())
    assert abs(float(error.mean())) < 0.1 * float(fitted.mean(1).std())
    assert float(error.abs().max()) > 0  # another route than the fit itself


def test_a_single_row_of_draws_is_enough() -> None:
    w, q = normal(3, 9, 9, seed=5), torch.linalg.qr(normal(3, 9, 2, seed=6)).Q
    picks = torch.zeros(1, 3, dtype=torch.int64)
    drawn = left_out(w, q, 2, {"own": Variants(q[:, None], picks)}).drawn["own"]
    torch.testing.assert_close(drawn[0], left_out(w, q, 2).share, atol=1e-4, rtol=0)
