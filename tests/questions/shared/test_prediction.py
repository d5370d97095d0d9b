"""The predicted share against its definition, and what its test finds and does not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from first_layers import first_layers
from forwards import factors_of, normal, predicted
from planted import plant
from torch import Tensor

import lora_lens as ll
from lora_lens.chance.p_values import two_sided_p
from lora_lens.questions.shared.asked import asked
from lora_lens.questions.shared.prediction import carry_over, predict
from lora_lens.questions.shared.terms import Terms


def by_definition(w: Tensor, b: Tensor, width: int, ridge: float = 0.0) -> np.ndarray:
    """scipy's generalised eigenproblem of in × in matrices, a layer at a time."""
    w, q = (
        (w / w.norm(dim=(1, 2), keepdim=True)).numpy(),
        [scipy.linalg.orth(one) for one in b.numpy()],
    )
    found = []
    for layer in range(len(w)):
        others = [m for m in range(len(w)) if m != layer]
        s = sum(w[m].T @ w[m] for m in others)
        stacked = np.linalg.svd(np.concatenate([w[m] for m in others]), compute_uv=False)
        s = s + ridge**2 * (stacked**2).sum() / len(s) * np.eye(len(s))
        mm = sum(w[m].T @ q[m] @ q[m].T @ w[m] for m in others)
        theta = scipy.linalg.eigh(mm, s)[1][:, -width:]
        angles = scipy.linalg.subspace_angles(w[layer] @ theta, q[layer])
        found.append((np.cos(angles) ** 2).sum() / b.shape[-1])
    return np.array(found)


@pytest.mark.parametrize(("out", "wide"), [(20, 20), (14, 30), (30, 14)])
@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("ridge", [0.0, 0.3, 3.0])
def test_the_share_is_its_definition(out: int, wide: int, width: int, ridge: float) -> None:
    generator = torch.Generator().manual_seed(out + width)
    w, b = normal(4, out, wide, generator=generator), normal(4, out, 3, generator=generator)
    np.testing.assert_allclose(
        predicted(w, b, width, ridge=ridge).share,
        by_definition(w, b, width, ridge),
        atol=1e-8,
        rtol=0,
    )


def test_neither_gauge_nor_the_layers_scale_moves_it() -> None:
    generator = torch.Generator().manual_seed(1)
    w, b = normal(4, 20, 16, generator=generator), normal(4, 20, 3, generator=generator)
    turned = b @ normal(4, 3, 3, generator=generator)
    scaled = w * torch.tensor([1.0, 1e-3, 5.0, 1e4])[:, None, None]
    np.testing.assert_allclose(
        predicted(w, b, 3).share, predicted(scaled, turned, 3).share, atol=1e-9, rtol=0
    )


@pytest.mark.parametrize(("out", "wide"), [(20, 20), (14, 30), (30, 14)])
def test_one_theta_in_all_layers_is_predicted_whole(out: int, wide: int) -> None:
    generator = torch.Generator().manual_seed(2)
    w, theta = normal(4, out, wide, generator=generator), normal(wide, 3, generator=generator)
    found = predicted(w, w @ theta, 3, draws=40)
    np.testing.assert_allclose(found.share, 1, atol=1e-9)
    assert found.nulls["flipped"].p == pytest.approx(1 / 41)


# Three layers of 13×24 leave θ 24 dimensions less two layers' 9 conditions each, and it has 4 columns; of 17 rows 0, of 18 none.
@pytest.mark.parametrize(
    ("layers", "out", "wide", "r", "width", "determined"),
    [
        (3, 13, 24, 4, 4, False),
        (5, 32, 128, 4, 4, False),
        (3, 16, 32, 4, 4, False),
        (2, 12, 12, 3, 2, False),
        (2, 12, 12, 3, 3, True),
        (3, 24, 32, 4, 4, True),
        (3, 17, 32, 2, 2, True),
        (3, 14, 24, 4, 4, True),
    ],
)
def test_theta_is_determined_or_nothing_is_said(
    layers: int, out: int, wide: int, r: int, width: int, determined: bool
) -> None:
    """One θ made every factor: what is predicted is all of them, or no number."""
    generator = torch.Generator().manual_seed(out)
    w, theta = normal(layers, out, wide, generator=generator), normal(wide, r, generator=generator)
    found = predicted(w, w @ theta, width, draws=20)
    assert found.trivial is not determined
    if determined:
        np.testing.assert_allclose(found.share, 1, atol=1e-7)
        return
    said = found.to_dict()
    assert said["share"] == [None] * layers
    assert said["mean"] is said["detectable"] is None
    assert said["nulls"] == {}
    assert said["layers"]["p_holm"] == said["layers"]["p"] == [None] * layers
    carried = carry_over(
        asked(factors_of(w @ theta, wide), w), asked(factors_of(w @ theta, wide), w), "B",
        Terms(r, width, draws=20),
    )  # fmt: skip
    assert carried.trivial
    assert np.isnan([*carried.share, *carried.p_holm]).all()


# Of 8 independent rows four other layers of 24×24 leave θ 24 dimensions less 5 conditions each; of 10 rows none.
@pytest.mark.parametrize(("independent", "determined"), [(8, False), (10, True)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_theta_of_a_w0_without_full_rank_is_determined_or_nothing_is_said(
    independent: int, determined: bool, dtype: torch.dtype
) -> None:
    """Which of what fits exactly was taken rounding chose: a shared layer had shares below 1, and "no more than chance" was said of them."""
    generator = torch.Generator().manual_seed(independent)
    thin, wide = (normal(5, 24, independent, generator=generator) for _ in range(2))
    w, theta = (thin @ wide.mT).to(dtype).double(), normal(24, 3, generator=generator)
    found = predicted(w, w @ theta, 3, draws=20)
    assert found.trivial is not determined
    if determined:
        np.testing.assert_allclose(found.share, 1, atol=1e-7)
        return
    assert np.isnan([*found.share, *found.p_holm]).all()
    assert (found.nulls, found.draws, found.drawn, found.detectable) == ({}, {}, None, None)
    of = asked(factors_of(w @ theta, 24), w)
    carried = carry_over(of, of, "B", Terms(3, 3, draws=20))
    assert carried.trivial
    assert np.isnan(carried.share).all()


def test_a_layer_apart_is_not_found_though_the_others_share_a_theta() -> None:
    """Its own flips hold the level, where joint flips would not."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for _ in range(60):
        w, theta = normal(5, 24, 24, generator=generator), normal(24, 3, generator=generator)
        b = w @ theta
        b[2] = w[2] @ normal(24, 3, generator=generator)
        found.append(float(predicted(w, b, 3).by_layer.p[2]))
    assert sum(p <= 0.05 for p in found) <= 8  # 3 expected; 9 or more in one case of 400


def test_leading_directions_are_beyond_uniform_and_not_beyond_flips() -> None:
    generator = torch.Generator().manual_seed(4)
    spectrum = torch.logspace(0, -2, 24, dtype=torch.float64)
    v = torch.linalg.qr(normal(24, 24, generator=generator)).Q
    u = torch.linalg.qr(normal(6, 24, 24, generator=generator)).Q
    w = u * spectrum @ v.mT  # the layers share their leading input directions
    b = u[:, :, :6] @ normal(6, 6, 3, generator=generator)
    found = predicted(w, b, 3, draws=99)
    assert found.nulls["uniform"].p <= 0.02
    assert found.nulls["flipped"].p > 0.05


def test_the_mean_of_uniform_factors_is_known_and_what_its_draws_scatter_about() -> None:
    generator = torch.Generator().manual_seed(3)
    w, b = normal(4, 24, 24, generator=generator), normal(4, 24, 3, generator=generator)
    found = predicted(w, b, 3, draws=199)
    test = found.nulls["uniform"]
    assert test.mean == found.chance == 3 / 24
    assert test.excess == pytest.approx((found.mean - 3 / 24) / (1 - 3 / 24))
    assert test.z == pytest.approx((found.mean - 3 / 24) / test.sd)
    shares = [by_definition(w, normal(4, 24, 3, generator=generator), 3).mean() for _ in range(300)]
    assert abs(np.mean(shares) - test.mean) < 4 * np.std(shares) / 300**0.5


def test_a_tenth_of_a_shared_layer_is_found_on_a_real_base() -> None:
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    factors, base = adapter.modules["value"], ll.open_base(str(adapter.base_model))
    w = torch.stack([base.w0(factors, k).double() for k in range(len(factors.layers))])
    generator = torch.Generator().manual_seed(5)
    shared = w @ normal(384, 8, generator=generator)
    noise = normal(*shared.shape, generator=generator)
    share = 0.1
    b = (share / shared.square().sum((1, 2), keepdim=True)).sqrt() * shared
    b = b + ((1 - share) / noise.square().sum((1, 2), keepdim=True)).sqrt() * noise
    found = predict(asked(replace(factors, b=b), w), "B", Terms(8, 8, draws=99))
    assert found.nulls["flipped"].p == pytest.approx(0.01)
    assert found.nulls["flipped"].z > 4


def test_the_json_contract() -> None:
    adapter = ll.load_adapter(ll.demo_adapter("condlora"))
    found = ll.shared_subspace(adapter, "value", draws=39).to_dict()["matrices"]
    for matrix in ("A", "B"):
        one = json.loads(json.dumps(found[matrix]["predicted"], allow_nan=False))
        assert one["share"] == pytest.approx([1.0] * 6, abs=1e-6)
        assert one["mean"] == pytest.approx(1, abs=1e-6)
        assert one["chance"] == pytest.approx(8 / 384)
        assert set(one["nulls"]) == {"uniform", "flipped", "mismatched"}
        for null in one["nulls"].values():
            assert {"mean", "sd", "z", "p"} <= set(null)
        assert one["detectable"] > 0


def test_a_theta_carries_over_to_the_adapter_it_is_of_as_it_predicts_it() -> None:
    lora, condlora = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
    same = ll.shared_subspace(lora, "query", matrices=["B"], other=lora, draws=20)["B"]
    assert same.carried is not None
    assert same.predicted is not None
    np.testing.assert_allclose(same.carried.share, same.predicted.share, atol=1e-12)
    np.testing.assert_allclose(same.carried.by_layer.p, same.predicted.by_layer.p)
    whole = ll.shared_subspace(condlora, "query", other=condlora, draws=20)
    assert whole["A"].carried is not None
    assert whole["A"].carried.share.min() > 1 - 1e-6
    assert any("the same θ of A" in note for note in whole.notes)
    over = ll.shared_subspace(lora, "query", matrices=["B"], other=condlora, draws=20)
    assert over.to_dict()["other"] == condlora.source
    assert "of the other's B" in over.summary
    assert over["B"].carried is not None
    assert over["B"].carried.nulls["uniform"].mean == pytest.approx(8 / 384)
    assert not any("the same θ of A" in note for note in over.notes)


def test_what_carries_over_where_layers_go_together_is_said_to(tmp_path: Path) -> None:
    """One W0 and one B in all layers."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((24, 24))] * 6

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((24, 2)), rng.standard_normal((2, 24))

    one, other = (plant(tmp_path / f"{k}", w0, [drawn() for _ in w0]) for k in range(2))
    b = drawn()[0]
    alike = plant(tmp_path / "alike", w0, [(b, drawn()[1]) for _ in w0])
    found = ll.shared_subspace(one, "value", other=alike, draws=20)
    assert found["B"].carried is not None
    assert found["B"].carried.scatter > 1.5
    (note,) = (note for note in found.notes if "one θ made" in note)
    assert note.startswith("one θ made B of the other adapter in all layers")
    assert found["B"].carried.to_dict()["scatter"] == found["B"].carried.scatter
    assert "scatter" not in found["B"].predicted.to_dict()
    untested = ll.shared_subspace(one, "value", other=alike, draws=0)
    assert not any("lies alike in its layers" in note for note in untested.notes)
    found = ll.shared_subspace(one, "value", other=other, draws=20)
    assert not any("alike in its layers" in note or "one θ" in note for note in found.notes)

    nearly = [w + 0.3 * rng.standard_normal((24, 24)) for w in w0]
    alike = plant(tmp_path / "nearly", nearly, [(b, drawn()[1]) for _ in w0])
    found = ll.shared_subspace(one, "value", other=alike, draws=20, base=tmp_path / "nearly/base")
    (note,) = (note for note in found.notes if "lies alike in its layers" in note)
    assert note.startswith("B of the other adapter")
    assert "what would have been seen allow for it" in note


# As few W0, and factors of either adapter, in six layers; W0 of each is so far from its like.
@pytest.mark.parametrize(("different", "r", "apart"), [(1, 1, 0.0), (1, 4, 0.1), (3, 4, 0.0)])
def test_unrelated_layers_that_go_together_carry_over_no_oftener(
    different: int, r: int, apart: float
) -> None:
    """Flips of independent layers had p of at most .05 in 20, 25 and 11 of these 60 pairs, and found what "would have been seen" in 33, 39 and 48."""
    generator = torch.Generator().manual_seed(10 * different + r)
    layers, pairs = torch.arange(6) % different, 60
    small, seen = 0, 0
    for seed in range(pairs):
        w = normal(different, 24, 24, generator=generator)[layers]
        w = w + apart * normal(6, 24, 24, generator=generator)
        one, other = normal(2, different, 24, r, generator=generator)[:, layers]
        found = carry_over(
            asked(factors_of(one, 24), w), asked(factors_of(other, 24), w), "B",
            Terms(r, r, draws=199, seed=seed),
        )  # fmt: skip
        assert found.scatter > 1.1
        assert found.drawn is not None
        assert found.detectable is not None
        small += found.nulls["flipped"].p_two_sided <= 0.05
        planted = np.asarray(found.mean + found.detectable)
        seen += float(two_sided_p(planted, found.drawn)) <= 0.05
    assert small <= 8  # 3 expected; 9 or more in one case of 300
    assert seen >= 40  # 48 expected


def test_a_theta_is_found_where_layers_go_together() -> None:
    generator = torch.Generator().manual_seed(0)
    w = normal(1, 24, 24, generator=generator).expand(6, 24, 24)
    theta, noise = normal(24, 2, generator=generator), normal(24, 2, generator=generator)
    one = w @ theta + normal(6, 24, 2, generator=generator)
    other = (w[0] @ theta + noise).expand(6, 24, 2)
    found = carry_over(
        asked(factors_of(one, 24), w), asked(factors_of(other, 24), w), "B",
        Terms(2, 2, draws=199),
    )  # fmt: skip
    assert found.scatter > 2
    assert found.nulls["flipped"].p_two_sided <= 0.05


def test_a_made_of_w0_is_asked_of_w0(tmp_path: Path) -> None:
    """A CondLoRA under `stored` makes Aᵀ = W0 θ: A is asked then as B is, and of W0ᵀ where that is asked for."""
    generator = torch.Generator().manual_seed(4)
    w0, a, b = (normal(6, *shape, generator=generator) for shape in ((96, 96), (2, 96), (96, 2)))
    pairs = list(zip(b.numpy(), a.numpy(), strict=True))
    lora, base = plant(tmp_path, list(w0.numpy()), pairs), ll.open_base(tmp_path / "base")
    factors = lora.modules["value"]
    theta = normal(96, 2, generator=generator)
    own = replace(factors, a=(w0 @ theta).mT, b=w0 @ normal(96, 2, generator=generator))
    made = replace(lora, modules={"value": own}, convention="stored", method="CondLoRA")
    found = ll.shared_subspace(made, "value", other=made, draws=20, base=base)
    for one in (found["A"].predicted, found["A"].carried, found["B"].predicted):
        assert one is not None
        assert one.share.min() > 1 - 1e-6
    assert "gives A and B in every layer" in ll.shared_subspace(made, "value", draws=39).summary
    assert any("asked forwards of W0," in note for note in found.notes)
    asked_for = ll.shared_subspace(made, "value", convention="consistent", draws=20, base=base)
    assert asked_for["A"].predicted is not None
    assert asked_for["A"].predicted.mean < 0.5
    assert not any("asked forwards of W0," in note for note in asked_for.notes)

    # Its exact export as LoRA has no convention: what A is asked of depends on which is named first, and is told.
    export = replace(made, convention=None, method="LoRA", source="export")
    for first, second, convention, said, share in (
        (made, export, "auto", ["asked forwards of W0, as this"], 1.0),
        (export, made, "auto", [f"W0ᵀ, as suits export, where A of {made.source}, a CondLoRA"], 0.0),
        (export, made, "stored", ["'stored' is of the conversions alone", "was made of W0 (A_l"], 0.0),
        (export, export, "auto", [], 0.0),
    ):  # fmt: skip
        asks = {"other": second, "convention": convention, "matrices": ["A"], "base": base}
        found = ll.shared_subspace(first, "value", draws=0, **asks)  # type: ignore[arg-type]
        assert found["A"].carried is not None
        assert found["A"].carried.mean == pytest.approx(share, abs=0.1)
        notes = [note for note in found.notes if "asked forwards" in note]
        assert [text in note for text, note in zip(said, notes, strict=True)] == [True] * len(said)
    only_b = ll.shared_subspace(
        export, "value", draws=0, other=made, matrices=["B"], convention="stored", base=base
    )
    assert not any("asked forwards" in note for note in only_b.notes)

    # Any factors: of W0, A is to be what a B that is its transpose is.
    turned = replace(made, modules={"value": replace(factors, b=factors.a.mT)})
    a = ll.shared_subspace(
        replace(made, modules={"value": factors}), "value", draws=20, base=base, matrices=["A"]
    )["A"].predicted
    b = ll.shared_subspace(turned, "value", draws=20, base=base, matrices=["B"])["B"].predicted
    assert a is not None
    assert b is not None
    np.testing.assert_allclose(a.share, b.share, atol=1e-12)
    np.testing.assert_allclose(a.by_layer.mean, b.by_layer.mean, atol=1e-12)
    np.testing.assert_allclose(a.by_layer.sd, b.by_layer.sd, atol=1e-12)


def test_the_base_asked_for_is_that_of_both(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    made = [
        plant(
            tmp_path / name,
            [rng.standard_normal((24, 24)) for _ in range(4)],
            [(rng.standard_normal((24, 2)), rng.standard_normal((2, 24))) for _ in range(4)],
        )
        for name in ("one", "other")
    ]
    one, other = made
    base = str(tmp_path / "one" / "base")
    alike = ll.shared_subspace(one, "value", other=replace(other, base_model=base), draws=5)
    found = ll.shared_subspace(one, "value", other=other, base=base, draws=5)
    own = ll.shared_subspace(one, "value", other=other, draws=5)
    for matrix in "AB":
        np.testing.assert_array_equal(found[matrix].carried.share, alike[matrix].carried.share)
        assert not np.allclose(own[matrix].carried.share, alike[matrix].carried.share)
    assert any("name different base models" in note for note in own.notes)
    assert not any("name different base models" in note for note in alike.notes)


def test_a_rank_that_the_other_has_not_is_an_error_that_names_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    w0 = [rng.standard_normal((24, 24)) for _ in range(3)]
    one, other = (
        plant(tmp_path / str(r), w0, [(rng.standard_normal((24, r)), rng.standard_normal((r, 24)))] * 3)
        for r in (4, 3)
    )  # fmt: skip
    with pytest.raises(ll.RankError, match=f"{other.source}, at the rank 4 of {one.source}"):
        ll.shared_subspace(one, "value", other=other, draws=5)


def test_other_layers_are_an_error_before_anything_is_computed() -> None:
    begun: list[tuple[int, int]] = []
    lora = ll.load_adapter(ll.demo_adapter("lora"))
    short, alone = first_layers(lora, 3), first_layers(lora, 1)
    with pytest.raises(ll.LensError, match="the same layers in both"):
        ll.shared_subspace(
            lora, "query", other=short, draws=5, progress=lambda *one: begun.append(one)
        )
    assert begun == []
    with pytest.raises(ll.LensError, match="have query in one layer alone"):
        ll.shared_subspace(alone, "query", other=alone, draws=5)
