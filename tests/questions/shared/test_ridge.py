"""θ fitted by a ridge: what it sees that θ without one misses, how often it errs, and what is said of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from forwards import factors_of, normal, predicted
from planted import plant
from shapes_once import checked_once

import lora_lens as ll
from lora_lens.errors import LensError
from lora_lens.questions.shared.asked import asked
from lora_lens.questions.shared.prediction import carry_over, predict
from lora_lens.questions.shared.terms import Terms


def test_a_small_part_is_found_where_theta_is_wider_than_the_others_fix() -> None:
    """A of three quarters of an up-projection: θ has 1152 rows, of which five layers with eight directions each say something."""
    base = ll.open_base(ll.load_adapter(ll.demo_adapter("lora")).base_model)
    names = [f"encoder.layer.{layer}.intermediate.dense" for layer in range(6)]
    w = torch.stack([base.weight(name).T[:288, :1152] for name in names]).double()
    generator = torch.Generator().manual_seed(1)
    shared, noise = (
        one / one.norm(dim=(1, 2), keepdim=True)
        for one in (
            w @ normal(1152, 8, generator=generator),
            normal(6, 288, 8, generator=generator),
        )
    )
    b = 0.3**0.5 * shared + 0.7**0.5 * noise
    plain, ridged = (
        predicted(w, b, 8, draws=19, ridge=ridge).nulls["flipped"] for ridge in (0.0, 1.0)
    )
    assert ridged.p == pytest.approx(1 / 20)
    assert ridged.z > 2 * max(plain.z, 4)


def test_factors_of_each_layers_own_are_found_no_oftener_than_stated() -> None:
    """Along their own W0's leading directions, where layers share those: W0 alone is no finding."""
    found = 0
    for seed in checked_once(range(100)):
        generator = torch.Generator().manual_seed(seed)
        common = normal(20, 20, generator=generator) * torch.logspace(0, -1, 20).double()
        w = normal(5, 16, 20, generator=generator) @ common
        b = w @ normal(5, 20, 2, generator=generator)
        one = predicted(w, b, 2, draws=39, seed=seed, ridge=1.0)
        found += one.nulls["flipped"].p <= 0.05
    assert found <= 12  # of 100 at .05: more in 1 of 700


def test_what_without_a_ridge_is_not_determined_is() -> None:
    """Two layers: many θ fit the one that is left exactly, and the ridge says which."""
    generator = torch.Generator().manual_seed(0)
    w, b = normal(2, 12, 12, generator=generator), normal(2, 12, 3, generator=generator)
    assert predicted(w, b, 2, draws=20).trivial
    one = predicted(w, b, 2, draws=20, ridge=1.0)
    assert not one.trivial
    assert np.isfinite(one.share).all()
    assert one.nulls["flipped"].p <= 1
    turned = b @ normal(3, 3, generator=generator)
    np.testing.assert_allclose(predicted(w, turned, 2, ridge=1.0).share, one.share, atol=1e-9)


def test_of_orthogonal_w0_it_does_not() -> None:
    """All directions are alike to S, and those that fit exactly to the ridge: rounding and the gauge would choose."""
    generator = torch.Generator().manual_seed(0)
    w = torch.linalg.qr(normal(2, 16, 16, generator=generator)).Q
    b = normal(2, 16, 4, generator=generator)
    assert predicted(w, b, 2, draws=20, ridge=1.0).trivial
    whole = w @ normal(16, 4, generator=generator)  # one θ: whatever S is
    np.testing.assert_allclose(predicted(w, whole, 4, ridge=1.0).share, 1, atol=1e-9)


def test_theta_is_carried_over_with_the_same_ridge() -> None:
    generator = torch.Generator().manual_seed(2)
    w, b = normal(4, 16, 16, generator=generator), normal(4, 16, 2, generator=generator)
    of = asked(factors_of(b, 16), w)
    own, carried = (
        ask(*one, "B", Terms(2, 2, draws=20, ridge=0.7))
        for ask, one in ((predict, (of,)), (carry_over, (of, of)))
    )
    np.testing.assert_allclose(carried.share, own.share, atol=1e-9)
    assert not np.allclose(own.share, predicted(w, b, 2).share, atol=1e-3)


def test_it_is_said_and_kept(tmp_path: Path) -> None:
    adapter = ll.load_adapter(ll.demo_adapter("condlora"))
    usual, none, some = (
        ll.shared_subspace(adapter, "value", draws=20, **more)
        for more in ({}, {"ridge": 0}, {"ridge": 1})
    )
    assert usual.to_dict() == none.to_dict()
    assert (usual.to_dict()["ridge"], some.to_dict()["ridge"]) == (0, 1)
    for matrix in ("A", "B"):
        one, other = usual[matrix], some[matrix]
        assert other.share == one.share  # of conversions
        assert 0.5 < other.predicted.mean < 0.999 < one.predicted.mean
    assert any("λ² = 1 times" in note for note in some.notes)
    result = run("shared", ll.demo_adapter("condlora"), "--draws", 20, "--ridge", 1)
    assert "rank 8, 6 layers, ridge 1" in " ".join(result.stdout.split())
    said = run("shared", ll.demo_adapter("condlora"), "--draws", 20, "--ridge", 1, "--json")
    assert json.loads(said.stdout)["matrices"] == json.loads(json.dumps(some.to_dict()))["matrices"]


@pytest.mark.parametrize("ridge", [-1.0, float("inf"), float("nan"), 1e-9, 1e6, 10**400])
def test_what_is_no_ridge_is_refused(ridge: float) -> None:
    with pytest.raises(LensError, match="ridge"):
        ll.shared_subspace(ll.demo_adapter("lora"), ridge=ridge)


@pytest.mark.parametrize("shared", [False, True])
def test_where_theta_has_more_rows_than_the_factors_space_what_sees_more_is_named(
    tmp_path: Path, shared: bool
) -> None:
    """B of a down-projection, where nothing was seen of it; not A, which is in the wide space."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((12, 32)) for _ in range(6)]
    theta = rng.standard_normal((32, 2))
    factors = [
        (
            w @ theta if shared else rng.standard_normal((12, 2)),
            rng.standard_normal((2, 32)),
        )
        for w in w0
    ]
    adapter = plant(tmp_path, w0, factors)
    notes = ll.shared_subspace(adapter, "value", draws=39).notes
    named = [note for note in notes if "--nulls flipped" in note]
    assert len(named) == (not shared)
    for note in named:
        assert note.startswith("5 other layers of 12 dimensions fix the 32 rows of B's θ badly")
        assert "similarity ADAPTER --module value --convention consistent --ridge 3" in note
    for told in ({"ridge": 1.0, "draws": 39}, {"draws": 0}):
        notes = ll.shared_subspace(adapter, "value", **told).notes
        assert not any("--nulls" in note for note in notes)
