"""Draws with θ fitted anew, against the fit of each draw's factors by itself."""

import pytest
import torch

from lora_lens.core.shared.fitting import fitting_space
from lora_lens.core.shared.leave_one_out import left_out
from lora_lens.core.shared.refits import refits
from lora_lens.core.shared.refits_of_rows import RefitsOfRows
from lora_lens.core.shared.refits_of_theta import Beside, RefitsOfTheta
from lora_lens.core.shared.variants import variants_of
from lora_lens.core.shared.whitening import whitening

FEW_ROWS = (4, 3, 20, 20)
MANY_ROWS = (16, 4, 40, 40)  # layers, r, out, in: more rows than dimensions


def normal(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def drawn_and_fitted(
    w: torch.Tensor, variants: torch.Tensor, k: int | None = None, ridge: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    layers, count, _, r = variants.shape
    k = k or r
    q = torch.linalg.qr(normal(*w.shape[:2], r, seed=2)).Q
    picks = torch.randint(count, (6, layers), generator=torch.Generator().manual_seed(4))
    some = {"some": variants_of(w, variants, picks)}
    drawn = left_out(w, q, k, some, ridge=ridge).drawn["some"]
    rows = torch.arange(layers)
    return drawn, torch.stack(
        [left_out(w, variants[rows, pick], k, ridge=ridge).share for pick in picks]
    )


def layers_and_variants(
    layers: int, r: int, out: int, wide: int
) -> tuple[torch.Tensor, torch.Tensor]:
    variants = torch.linalg.qr(normal(layers, 7, out, r, seed=3)).Q
    return normal(layers, out, wide, seed=1), variants


def way(w: torch.Tensor, variants: torch.Tensor) -> type:
    """Which is taken."""
    w = w / w.norm(dim=(1, 2), keepdim=True)
    picks = torch.zeros(6, len(w), dtype=torch.int64)
    space = fitting_space(whitening((w.mT @ w).sum(0)))
    nulls = {"some": variants_of(w, variants, picks)}
    return type(refits(w, space, nulls, variants.shape[-1])["some"])


@pytest.mark.parametrize("shape", [FEW_ROWS, (5, 2, 12, 30), (4, 3, 30, 12)])
def test_small_draws_are_their_own_fits(shape: tuple[int, int, int, int]) -> None:
    w, variants = layers_and_variants(*shape)
    drawn, fitted = drawn_and_fitted(w, variants)
    torch.testing.assert_close(drawn, fitted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 6, 96, 96), RefitsOfRows),
        (MANY_ROWS, RefitsOfTheta),
        ((16, 4, 60, 40), RefitsOfTheta),
        ((16, 4, 30, 40), RefitsOfTheta),
    ],
)
def test_large_draws_are_iterated_and_err_far_less_than_draws_scatter(
    shape: tuple[int, int, int, int], expected: type
) -> None:
    w, variants = layers_and_variants(*shape)
    assert way(w, variants) is expected
    drawn, fitted = drawn_and_fitted(w, variants)
    error = drawn - fitted
    assert float(error.square().mean().sqrt()) < 0.05 * float(fitted.std())
    assert abs(float(error.mean())) < 0.1 * float(fitted.mean(1).std())
    assert float(error.abs().max()) > 0  # another route than the fit itself


@pytest.mark.parametrize("shape", [(8, 6, 96, 96), (24, 6, 80, 80)])
def test_few_columns_of_theta_are_found_as_well(shape: tuple[int, int, int, int]) -> None:
    drawn, fitted = drawn_and_fitted(*layers_and_variants(*shape), k=1)
    error = drawn - fitted
    assert float(error.square().mean().sqrt()) < 0.05 * float(fitted.std())


@pytest.mark.parametrize("shape", [FEW_ROWS, (8, 6, 96, 96), MANY_ROWS])
def test_draws_go_through_the_ridge_that_the_factors_do(shape: tuple[int, int, int, int]) -> None:
    drawn, fitted = drawn_and_fitted(*layers_and_variants(*shape), ridge=1.0)
    without, _ = drawn_and_fitted(*layers_and_variants(*shape))
    assert float((drawn - fitted).square().mean().sqrt()) < 0.05 * float(fitted.std())
    assert float((drawn - without).abs().max()) > 0.1 * float(fitted.std())


def test_columns_of_zero_count_for_nothing() -> None:
    w, variants = layers_and_variants(*MANY_ROWS)
    variants[3, :, :, 2:] = 0
    drawn, fitted = drawn_and_fitted(w, variants)
    error = (drawn - fitted)[:, 3]
    assert float(error.abs().max()) < 0.2 * float(fitted[:, 3].std())


def test_a_layer_that_sees_alone_what_it_sees_goes_the_other_way() -> None:
    """(I − E)⁻¹ of it is large: the other layers hardly see one direction."""
    w, variants = layers_and_variants(*MANY_ROWS)
    w[1:, :, 0] *= 1e-3
    unit = w / w.norm(dim=(1, 2), keepdim=True)
    space = fitting_space(whitening((unit.mT @ unit).sum(0)))
    assert Beside.of(unit, space).benign.tolist() == [False] + [True] * 15
    assert way(w, variants) is RefitsOfTheta
    drawn, fitted = drawn_and_fitted(w, variants)
    error = drawn - fitted
    assert float(error.square().mean().sqrt()) < 0.05 * float(fitted.std())
    assert float(error[:, 0].abs().max()) < 0.2 * float(fitted[:, 0].std())


def test_badly_conditioned_layers_are_fitted_in_float64() -> None:
    w, variants = layers_and_variants(*MANY_ROWS)
    w = w * torch.logspace(0, -5, 40, dtype=torch.float64)
    drawn, fitted = drawn_and_fitted(w, variants)
    assert float((drawn - fitted).square().mean().sqrt()) < 0.05 * float(fitted.std())


def test_a_theta_nearly_as_wide_as_w_goes_by_rows() -> None:
    w, variants = layers_and_variants(8, 12, 14, 14)
    assert way(w, variants) is RefitsOfRows
    drawn, fitted = drawn_and_fitted(w, variants)
    torch.testing.assert_close(drawn, fitted, atol=1e-5, rtol=0)


def test_rank_deficient_layers_are_fitted_on_what_they_see() -> None:
    w, variants = layers_and_variants(*MANY_ROWS)
    w[:, :, -5:] = 0
    drawn, fitted = drawn_and_fitted(w, variants)
    assert float((drawn - fitted).square().mean().sqrt()) < 0.05 * float(fitted.std())


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    w, variants = layers_and_variants(*MANY_ROWS)
    whole, _ = drawn_and_fitted(w, variants)
    monkeypatch.setattr("lora_lens.core.shared.refits_of_theta._ROWS", 1)
    one_by_one, _ = drawn_and_fitted(w, variants)
    torch.testing.assert_close(whole, one_by_one, atol=1e-5, rtol=0)


def test_a_single_row_of_draws_is_enough() -> None:
    w, q = normal(3, 9, 9, seed=5), torch.linalg.qr(normal(3, 9, 2, seed=6)).Q
    picks = torch.zeros(1, 3, dtype=torch.int64)
    drawn = left_out(w, q, 2, {"own": variants_of(w, q[:, None], picks)}).drawn["own"]
    torch.testing.assert_close(drawn[0], left_out(w, q, 2).share, atol=1e-5, rtol=0)


def test_draws_whose_layers_all_go_the_other_way_are_told_as_done() -> None:
    """Each layer sees one direction alone; nothing was told, so that a bar stopped short of its end."""
    w, variants = layers_and_variants(*MANY_ROWS)
    for layer in range(16):
        w[torch.arange(16) != layer, :, layer] *= 1e-3
    unit = w / w.norm(dim=(1, 2), keepdim=True)
    space = fitting_space(whitening((unit.mT @ unit).sum(0)))
    picks = torch.zeros(6, 16, dtype=torch.int64)
    some = variants_of(w, variants, picks)
    beside = Beside.of(unit, space)
    assert not beside.benign.any()
    draws = RefitsOfTheta.of(unit, space, some, 4, beside)
    for layer in range(16):
        rest = unit[torch.arange(16) != layer]
        draws.add(layer, fitting_space(whitening((rest.mT @ rest).sum(0))))
    told: list[tuple[int, int]] = []
    assert draws.shares(lambda done, count: told.append((done, count))).shape == (6, 16)
    assert told == [(6, 6)]
