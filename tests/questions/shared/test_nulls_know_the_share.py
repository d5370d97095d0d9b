"""Draws have what the observed share has: the dimensions of W_lθ that W0 makes small, and the scatter of few layers."""

from pathlib import Path

import numpy as np
import pytest
from planted import Factors, orthogonal, plant

import lora_lens as ll

Array = np.ndarray


def gaussian(rng: np.random.Generator, layers: int, d: int, r: int) -> list[Factors]:
    return [(rng.standard_normal((d, r)), rng.standard_normal((r, d))) for _ in range(layers)]


def ill_conditioned(
    rng: np.random.Generator, layers: int, d: int, condition: float = 1e4
) -> list[Array]:
    """W0 with singular values from 1 to 1/condition."""
    spectrum = np.geomspace(1, 1 / condition, d)
    return [(orthogonal(d, rng) * spectrum) @ orthogonal(d, rng) for _ in range(layers)]


@pytest.mark.parametrize(("layers", "d", "r"), [(4, 24, 20), (4, 24, 23), (6, 32, 30)])
def test_a_wide_layer_through_ill_conditioned_w0(
    tmp_path: Path, layers: int, d: int, r: int
) -> None:
    """Draws lost the dimensions below 1e-4 of the largest: of .833 they had .77, and random factors were "well above chance"."""
    rng = np.random.default_rng(r)
    w0 = ill_conditioned(rng, layers, d)
    adapter = plant(tmp_path, w0, gaussian(rng, layers, d, r))
    result = ll.shared_subspace(adapter, "value", draws=99, convention="consistent")
    for one in (shared.predicted for shared in result.values()):
        assert one is not None
        uniform, flipped = one.nulls["uniform"], one.nulls["flipped"]
        assert uniform.mean == pytest.approx(r / d, abs=4 * uniform.sd / np.sqrt(50))
        assert flipped.mean == pytest.approx(one.by_layer.mean.mean(), abs=2 * flipped.sd)
    assert all(one.word == "not seen" for one in result.findings)


@pytest.mark.parametrize("condition", [1e5, 1e6, 1e7])
def test_what_float32_does_not_tell_from_none_is_none_of_the_share(
    tmp_path: Path, condition: float
) -> None:
    """The observed share kept it, and draws could not: z was 10 and 30."""
    rng = np.random.default_rng(20)
    w0 = ill_conditioned(rng, 4, 24, condition)
    adapter = plant(tmp_path, w0, gaussian(rng, 4, 24, 20))
    result = ll.shared_subspace(adapter, "value", draws=99, convention="consistent")
    assert all(one.word == "not seen" for one in result.findings)


@pytest.mark.parametrize(("rank", "width"), [(12, None), (12, 12), (6, 12)])
@pytest.mark.parametrize("condition", [1, 1e5])
def test_what_is_of_the_whole_space_is_not_tested(
    tmp_path: Path, condition: float, rank: int, width: int | None
) -> None:
    """The share is 1 whatever they are; rounding was tested, and one shared layer "gave" all of random ones."""
    rng = np.random.default_rng(0)
    w0 = ill_conditioned(rng, 4, 12, condition)
    one, other = (
        plant(tmp_path / name, w0, gaussian(rng, 4, 12, rank)) for name in ("one", "other")
    )
    for of in (None, other):
        result = ll.shared_subspace(
            one, "value", width=width, other=of, draws=39, convention="consistent"
        )
        assert result.findings == ()
        assert "as it does of any factors where their rank, or the layer's width" in result.summary
        for shared in result.values():
            found = shared.predicted if of is None else shared.carried
            assert found is not None
            assert (found.whole, found.nulls, found.detectable) == (True, {}, None)
            assert np.isnan(found.p_holm).all()
            assert found.to_dict()["whole"] is True
            # Of ill-conditioned W0 some dimensions are none.
            assert condition > 1 or found.mean == pytest.approx(1, abs=1e-9)


def test_a_gate_of_few_experts_is_not_determined(tmp_path: Path) -> None:
    """Whole as it is, what is said is that its θ is not."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((8, 64)) for _ in range(6)]
    own = [(rng.standard_normal((8, 8)), rng.standard_normal((8, 64))) for _ in w0]
    result = ll.shared_subspace(plant(tmp_path, w0, own), "value", draws=39)
    assert "predicts of B is not determined: more directions" in result.summary


def test_draws_of_two_layers_scatter_as_if_each_were_new(tmp_path: Path) -> None:
    """By 40 flips a layer 999 draws of two layers told as much of the null's mean as 71 that have nothing in common."""
    rng = np.random.default_rng(1)
    w0 = [rng.standard_normal((16, 16)) for _ in range(2)]
    adapter = plant(tmp_path, w0, gaussian(rng, 2, 16, 2))
    nulls = [
        ll.shared_subspace(adapter, "value", draws=999, seed=seed, matrices="B")["B"]
        .predicted.nulls["flipped"]
        for seed in range(20)
    ]  # fmt: skip
    means, deviations = ([getattr(one, name) for one in nulls] for name in ("mean", "sd"))
    assert np.mean(deviations) ** 2 / np.var(means) > 180
