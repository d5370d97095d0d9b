import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import plant
from scipy import stats
from scipy.linalg import subspace_angles
from shapes_once import checked_once
from slow_routes import slow_conversions

from lora_lens import (
    Adapter,
    LensError,
    RankError,
    conversion_similarity,
    demo_adapter,
    gaussian_baseline,
    load_adapter,
    open_base,
    shared_subspace,
)
from lora_lens.errors import SingularError
from lora_lens.questions.shared import captured
from lora_lens.questions.shared.result import SharedResult

CONVENTIONS = ["stored", "consistent"]


def w0_of(shape: BertLike, layer: int) -> np.ndarray:
    return shape.base[f"{shape.path(layer, 'value')}.weight"].double().numpy()


def with_factors(
    adapter: Adapter, make: Callable[[int], tuple[torch.Tensor, torch.Tensor]]
) -> Adapter:
    """The adapter with other A and B of value, made layer by layer, in float64."""
    factors = adapter.modules["value"]
    made = [make(layer) for layer in factors.layers]
    a, b = (torch.stack([pair[k].double() for pair in made]) for k in (0, 1))
    return replace(adapter, modules={"value": replace(factors, a=a, b=b)})


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_equals_dense_projectors_and_slow_loops(
    bert: BertLike, tmp_path: Path, convention: str, width: int
) -> None:
    result = shared_subspace(
        load_adapter(tmp_path / "lora"), "value", width=width, convention=convention, draws=0
    )
    assert list(result) == ["A", "B"]
    for matrix, shared in result.items():
        bases = []
        for layer in range(3):
            name = f"base_model.model.bert.{bert.path(layer, 'value')}"
            a, b = (
                bert.adapter[f"{name}.lora_{factor}.weight"].double().numpy() for factor in "AB"
            )
            conversion = slow_conversions(w0_of(bert, layer), a, b, convention)[matrix]
            bases.append(np.linalg.svd(conversion, full_matrices=False)[0])

        def best(some: list[np.ndarray]) -> np.ndarray:
            return np.linalg.eigh(np.mean([u @ u.T for u in some], axis=0))[1][:, ::-1][:, :width]

        def captured(theta: np.ndarray, u: np.ndarray) -> float:
            return float((np.cos(subspace_angles(theta, u)) ** 2).sum() / 4)

        theta = best(bases)
        np.testing.assert_allclose(shared.captured, [captured(theta, u) for u in bases], atol=1e-8)
        assert shared.share == pytest.approx(np.mean([captured(theta, u) for u in bases]), abs=1e-9)
        found = shared.theta.numpy()
        np.testing.assert_allclose(found @ found.T, theta @ theta.T, atol=1e-7)
        np.testing.assert_allclose(
            shared.left_out,
            [captured(best(bases[:k] + bases[k + 1 :]), bases[k]) for k in range(3)],
            atol=1e-8,
        )
        curve = [np.mean([captured_sum(bases, k, u) for u in bases]) for k in range(1, 13)]
        np.testing.assert_allclose(shared.curve, curve, atol=1e-9)


def captured_sum(bases: list[np.ndarray], k: int, u: np.ndarray) -> float:
    theta = np.linalg.eigh(sum(v @ v.T for v in bases))[1][:, ::-1][:, :k]
    return float(((theta.T @ u) ** 2).sum() / u.shape[1])


@pytest.mark.parametrize("module", ["query", "value"])
def test_the_demo_condlora_adapter_is_one_shared_layer(module: str) -> None:
    adapter = load_adapter(demo_adapter("condlora"))
    result = shared_subspace(adapter, module, convention="consistent", draws=20)
    for shared in result.values():
        for values in (shared.share, shared.captured, shared.left_out, shared.eigenvalues[:8]):
            np.testing.assert_allclose(values, 1, atol=1e-9)  # W0 has condition 1e4
        assert shared.nulls["propagated"].share.p == 1 / 21
        assert shared.nulls["propagated"].share.excess == pytest.approx(1, abs=1e-8)
    assert not result.notes


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_factors_of_one_theta_in_any_gauge_are_shared_whole(
    bert: BertLike, tmp_path: Path, convention: str
) -> None:
    theta_a, theta_b = random(24, 4, seed=1).double(), random(24, 4, seed=2).double()

    def make(layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        w0 = torch.from_numpy(w0_of(bert, layer))
        turn, other = (random(4, 4, seed=10 * layer + k).double() for k in (0, 1))
        source = w0 if convention == "stored" else w0.mT
        return (source @ theta_a @ turn).mT, w0 @ theta_b @ other

    adapter = with_factors(load_adapter(tmp_path / "lora"), make)
    result = shared_subspace(adapter, "value", convention=convention, draws=0)
    for matrix, theta in (("A", theta_a), ("B", theta_b)):
        shared = result[matrix]
        for values in (shared.share, shared.captured, shared.left_out):
            np.testing.assert_allclose(values, 1, atol=1e-9)
        angles = subspace_angles(shared.theta.numpy(), theta.numpy())
        np.testing.assert_allclose(angles, 0, atol=1e-7)  # θ itself is found
    # and through W0 it gives the factor back, up to the layer's gauge
    factors = adapter.modules["value"]
    for layer in range(3):
        w0 = torch.from_numpy(w0_of(bert, layer))
        made = w0 @ result["B"].theta
        fitted = made @ torch.linalg.lstsq(made, factors.b[layer]).solution
        np.testing.assert_allclose(fitted, factors.b[layer], atol=1e-8)


@pytest.mark.parametrize(("out", "columns"), [(20, 12), (12, 20)])
def test_rectangular_layers_of_one_theta_are_shared_where_w0_leaves_it_whole(
    tmp_path: Path, out: int, columns: int
) -> None:
    """CondLoRA's Eq. 5 and 6: A = θ_AᵀW0 exactly where in ≥ out, B = W0θ_B where out ≥ in; else projected."""
    rng = np.random.default_rng(out)
    w0 = [rng.standard_normal((out, columns)) for _ in range(4)]
    theta_a, theta_b = rng.standard_normal((out, 3)), rng.standard_normal((columns, 3))
    adapter = plant(tmp_path, w0, [(w @ theta_b, theta_a.T @ w) for w in w0])
    shared = shared_subspace(adapter, "value", convention="consistent", draws=19)
    grids = conversion_similarity(adapter, "value", convention="consistent", draws=19)
    whole, projected = ("A", "B") if columns > out else ("B", "A")
    for values in (shared[whole].share, shared[whole].left_out, grids[whole].values):
        np.testing.assert_allclose(values, 1, atol=1e-9)
    assert shared[whole].nulls["propagated"].share.p == 1 / 20
    # Second route: θ as each layer's own W0 leaves it, by a dense projector.
    theta = theta_a if projected == "A" else theta_b
    left = [np.linalg.qr(project(w if projected == "A" else w.T) @ theta)[0] for w in w0]
    share = np.linalg.eigvalsh(sum(u @ u.T for u in left) / 4)[-3:].sum() / 3
    assert shared[projected].share == pytest.approx(share, abs=1e-9)
    assert share < 0.9


def project(w: np.ndarray) -> np.ndarray:
    return w @ np.linalg.pinv(w)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_orthogonal_conversions_share_one_part_in_l(
    bert: BertLike, tmp_path: Path, convention: str
) -> None:
    def make(layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        w0 = torch.from_numpy(w0_of(bert, layer))
        own = torch.eye(24, dtype=torch.float64)[:, 4 * layer : 4 * layer + 4]
        return ((w0 if convention == "stored" else w0.mT) @ own).mT, w0 @ own

    adapter = with_factors(load_adapter(tmp_path / "lora"), make)
    result = shared_subspace(adapter, "value", convention=convention, draws=0)
    for shared in result.values():
        assert shared.share == pytest.approx(1 / 3, abs=1e-10)
        assert shared.least == pytest.approx(1 / 3)
        np.testing.assert_allclose(shared.eigenvalues, 1 / 3, atol=1e-10)
        np.testing.assert_allclose(shared.left_out, 0, atol=1e-10)
        assert shared.gap == pytest.approx(0, abs=1e-10)
    assert sum("not unique" in note for note in result.notes) == 2


@given(seed=st.integers(0, 10**6), convention=st.sampled_from(CONVENTIONS))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_number_depends_on_the_gauge(
    bert: BertLike, tmp_path: Path, seed: int, convention: str
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    factors = adapter.modules["value"]

    def turned(layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        turn = random(4, 4, seed=seed + layer).double() + 4 * torch.eye(4)
        return turn @ factors.a[layer].double(), factors.b[layer].double() @ turn.inverse()

    one, other = (
        shared_subspace(some, "value", convention=convention, draws=0)
        for some in (adapter, with_factors(adapter, turned))
    )
    for matrix, shared in one.items():
        for name in ("share", "eigenvalues", "captured", "left_out"):
            np.testing.assert_allclose(
                getattr(shared, name), getattr(other[matrix], name), atol=1e-8
            )


def test_one_frozen_a_is_told_where_copied_layers_make_it_predictable(tmp_path: Path) -> None:
    rng, d, rank = np.random.default_rng(0), 24, 2
    pairs = [rng.standard_normal((d, d)) for _ in range(3)]
    w0 = [w for w in pairs for _ in range(2)]
    a = rng.standard_normal((rank, d))
    frozen = plant(tmp_path / "frozen", w0, [(rng.standard_normal((d, rank)), a) for _ in w0])
    found = shared_subspace(frozen, draws=60)
    (said,) = [note for note in found.notes if "whatever was learnt" in note]
    assert said.startswith("A itself lies alike in its layers")
    factors = [(rng.standard_normal((d, rank)), rng.standard_normal((rank, d))) for _ in w0]
    drawn = shared_subspace(plant(tmp_path / "drawn", w0, factors), draws=60)
    assert not [note for note in drawn.notes if "whatever was learnt" in note]


def test_two_layers_leave_out_what_similarity_says(tmp_path: Path) -> None:
    shape = BertLike(layers=2, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    shared = shared_subspace(adapter, "value", draws=30, seed=3)
    similar = conversion_similarity(adapter, "value", draws=30, seed=3)
    too_few = "the null mismatched is left out: it takes at least 3 layers to mismatch"
    assert too_few in shared.notes
    assert too_few not in shared_subspace(adapter, "value", draws=0).notes
    for matrix in ("A", "B"):
        phi = similar[matrix].values[0, 1]
        np.testing.assert_allclose(shared[matrix].left_out, phi, atol=1e-12)
        # The same seed gives the same draws, so the nulls agree as well.
        null, grid = shared[matrix].nulls["propagated"], similar[matrix].baselines["propagated"]
        np.testing.assert_allclose(null.left_out.mean, grid.mean[0, 1], atol=1e-6)
        np.testing.assert_allclose(null.left_out.sd, grid.sd[0, 1], atol=1e-6)


def skewed(folder: Path, layers: int = 3, width: int = 12) -> BertLike:
    """W0 whose small singular directions all layers have in common."""
    shape = BertLike(layers=layers, width=width, rank=2, modules=("value",))
    scale = torch.logspace(0, -1.5, width)
    base = {
        f"{shape.path(layer, 'value')}.weight": random(width, width, seed=layer) * scale
        for layer in range(layers)
    }
    write_base(folder / "base", shape, base)
    write_lora(folder / "lora", shape, base=str(folder / "base"))
    return shape


def untrained(adapter: Adapter, seed: int) -> Adapter:
    def make(layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        number = 1000 * seed + 10 * layer
        return random(2, 12, seed=number + 1), random(12, 2, seed=number + 2)

    return with_factors(adapter, make)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_propagated_null_is_what_untrained_adapters_give(
    tmp_path: Path, convention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Second route: random adapters, each analysed like a trained one; and their p are uniform."""
    # What is asked forwards has flips for its null, and takes longer than the rest.
    monkeypatch.setattr("lora_lens.questions.shared.analysis._forwards", lambda *_: {})
    skewed(tmp_path)
    adapter, base = load_adapter(tmp_path / "lora"), open_base(str(tmp_path / "base"))

    def analysed(seed: int, draws: int) -> SharedResult:
        return shared_subspace(
            untrained(adapter, seed),
            "value",
            convention=convention,
            draws=draws,
            seed=seed,
            base=base,
        )

    null = analysed(0, 1500)
    runs = [analysed(seed, 59) for seed in checked_once(range(1, 101))]
    for matrix in ("A", "B"):
        propagated = null[matrix].nulls["propagated"]
        for name in ("share", "mean_left_out", "captured", "left_out"):
            values = np.array([getattr(run[matrix], name) for run in runs])
            test = getattr(propagated, name)
            error = values.std(0) / np.sqrt(100) + np.asarray(test.sd) / np.sqrt(1500)
            assert (np.abs(values.mean(0) - test.mean) < 4 * error).all()
            np.testing.assert_allclose(test.sd, values.std(0, ddof=1), rtol=0.3)
        for name in ("share", "mean_left_out"):
            p = [getattr(run[matrix].nulls["propagated"], name).p for run in runs]
            assert stats.kstest(p, "uniform").pvalue > 1e-3
        if matrix == "B" or convention == "stored":
            p = [run[matrix].nulls["gaussian"].share.p for run in runs]
            assert stats.kstest(p, "uniform").pvalue < 1e-6


def test_nulls_through_the_identity_agree_with_each_other_and_the_closed_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = BertLike(layers=3, width=30, modules=("value",))
    eye = {f"{shape.path(layer, 'value')}.weight": torch.eye(30) for layer in range(3)}
    write_base(tmp_path / "base", shape, eye)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    draws = 2000
    monkeypatch.setattr(captured, "DESCRIBING", draws)
    for width in (4, 2, 6):
        result = shared_subspace(load_adapter(tmp_path / "lora"), "value", width=width, draws=draws)
        for shared in result.values():
            gaussian, propagated = shared.nulls["gaussian"], shared.nulls["propagated"]
            for name in ("share", "captured"):
                one, other = getattr(gaussian, name), getattr(propagated, name)
                error = 5 * np.asarray(one.sd) * np.sqrt(2 / draws)
                assert (np.abs(np.asarray(one.mean) - other.mean) < error).all()
                np.testing.assert_allclose(one.sd, other.sd, rtol=0.12)
            # E ‖θᵀU‖²/r = k/d for a θ that has not seen U.
            np.testing.assert_allclose(gaussian.left_out.mean, width / 30)
            assert gaussian.mean_left_out.mean == pytest.approx(width / 30)
            sd = gaussian_baseline(30, width, 4).sd * min(width, 4) / 4
            np.testing.assert_allclose(gaussian.left_out.sd, sd)
            assert (np.abs(propagated.left_out.mean - width / 30) < 5 * sd / np.sqrt(draws)).all()
            np.testing.assert_allclose(propagated.left_out.sd, sd, rtol=0.12)


def test_the_same_seed_gives_the_same_null_and_another_one_another(
    bert: BertLike, tmp_path: Path
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    one, same, other = (
        shared_subspace(adapter, "value", draws=5, seed=seed)["A"].nulls for seed in (1, 1, 2)
    )
    for name in ("gaussian", "propagated"):
        assert one[name].share == same[name].share
        assert one[name].share.mean != other[name].share.mean


def test_rectangular_layers_by_the_pseudo_inverse(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    names = [shape.path(layer, "value") for layer in range(3)]
    base = {f"{n}.weight": random(24, 10, seed=k) for k, n in enumerate(names)}
    write_base(tmp_path / "base", shape, base)
    factors = {}
    for k, name in enumerate(names):
        factors[f"base_model.model.{name}.lora_A.weight"] = random(2, 10, seed=50 + k)
        factors[f"base_model.model.{name}.lora_B.weight"] = random(24, 2, seed=60 + k)
    write_lora(
        tmp_path / "lora", BertLike(layers=0, rank=2), base=str(tmp_path / "base"), extra=factors
    )
    adapter = load_adapter(tmp_path / "lora")
    with pytest.raises(SingularError, match="consistent"):
        shared_subspace(adapter, "value", convention="stored")
    result = shared_subspace(adapter, "value", convention="consistent", draws=10)
    assert [shared.dimension for shared in result.values()] == [24, 10]
    assert [shared.theta.shape for shared in result.values()] == [(24, 2), (10, 2)]
    # A's conversions, (W0ᵀ)⁺Aᵀ, lie in W0's own ten dimensions; the null knows it.
    gaussian, propagated = (result["A"].nulls[name] for name in ("gaussian", "propagated"))
    assert gaussian.left_out.mean[0] == pytest.approx(2 / 24)
    assert propagated.draws == 10


def test_dimensions_that_one_layer_alone_sees_are_told(tmp_path: Path) -> None:
    """Of two layers of 10 rows and 24 columns each sees ten dimensions of θ_B that the other does not, and of θ_A none."""
    shape = BertLike(layers=2, rank=2, modules=("value",))
    names = [shape.path(layer, "value") for layer in range(2)]
    w0 = {name: random(10, 24, seed=k) for k, name in enumerate(names)}
    write_base(tmp_path / "base", shape, {f"{name}.weight": one for name, one in w0.items()})
    thetas, factors = (random(10, 2, seed=8), random(24, 2, seed=9)), {}
    for name, one in w0.items():
        factors[f"base_model.model.{name}.lora_A.weight"] = (one.T @ thetas[0]).T.contiguous()
        factors[f"base_model.model.{name}.lora_B.weight"] = one @ thetas[1]
    bare = BertLike(layers=0, rank=2)
    write_lora(tmp_path / "lora", bare, base=str(tmp_path / "base"), extra=factors)
    result = shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=0, width=2)
    a, b = result["A"].predicted, result["B"].predicted
    assert a is not None
    assert b is not None
    assert (a.seen_alone, b.seen_alone, b.seen) == ((0, 0), (10, 10), (10, 10))
    np.testing.assert_allclose(a.share, 1, atol=1e-6)
    assert b.share.max() < 0.9  # though one θ made it
    (note,) = (note for note in result.notes if "seen by one layer alone" in note)
    assert note.startswith(
        "of the 20 dimensions of B's θ that W0 of all layers see, up to 10 are seen by one layer alone (0 and 1): "
    )


def test_one_layer_shares_nothing(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    result = shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=5)
    assert "one layer" in result.notes[0]
    condlora = replace(load_adapter(tmp_path / "lora"), convention="stored", method="CondLoRA")
    assert shared_subspace(condlora, "value", draws=0).notes == result.notes
    for shared in result.values():
        assert shared.share == pytest.approx(1)
        assert np.isnan(shared.left_out).all()
        assert shared.nulls["propagated"].share.p == 1
        assert np.isnan(shared.nulls["gaussian"].left_out.mean).all()
    json.dumps(result.to_dict(), allow_nan=False)
    assert "nan" not in result._repr_html_()


def test_forms_carry_their_labels(bert: BertLike, tmp_path: Path) -> None:
    result = shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=4)
    frame = result.to_frame()
    assert len(frame) == 2 * 3
    np.testing.assert_allclose(frame.groupby("matrix")["captured"].mean()["A"], result["A"].share)
    test = result["B"].nulls["propagated"].left_out
    found = frame[(frame["matrix"] == "B") & (frame["layer"] == 2)].iloc[0]
    assert found["left_out_propagated_p"] == test.p[2]
    assert found["left_out_propagated_excess"] == test.excess[2]
    forms = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert forms["matrices"]["A"]["share"] == result["A"].share
    assert forms["matrices"]["A"]["nulls"]["gaussian"]["share"]["p"] == pytest.approx(
        result["A"].nulls["gaussian"].share.p
    )
    assert "<td>left out</td>" in result._repr_html_()


def test_rows_have_what_is_predicted_and_carried_over(bert: BertLike, tmp_path: Path) -> None:
    alone = shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=4).to_frame()
    write_lora(tmp_path / "other", bert, base=str(tmp_path / "base"), seed=5)
    over = shared_subspace(tmp_path / "lora", "value", other=tmp_path / "other", draws=4)
    frame = over.to_frame()
    assert {"captured", "left_out", "predicted", "predicted_flipped_mean"} <= {*alone.columns}
    assert {*alone.columns} < {*frame.columns}
    assert "carried" not in alone
    for matrix, shared in over.items():
        of = frame[frame["matrix"] == matrix]
        assert shared.predicted is not None
        assert shared.carried is not None
        assert of["predicted"].tolist() == shared.predicted.share.tolist()
        assert of["carried"].tolist() == shared.carried.share.tolist()
        assert of["carried_p_holm"].tolist() == shared.carried.p_holm.tolist()


def test_ranks_below_the_adapters_are_said_to_depend_on_the_gauge(
    bert: BertLike, tmp_path: Path
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    assert any("gauge" in note for note in shared_subspace(adapter, "value", 2, draws=0).notes)
    assert not shared_subspace(adapter, "value", draws=0).notes
    write_lora(
        tmp_path / "mixed",
        bert,
        base=str(tmp_path / "base"),
        ranks={"1.value": 2},
        config={"rank_pattern": {"layer.1.attention.self.value": 2}},
    )
    mixed = shared_subspace(load_adapter(tmp_path / "mixed"), "value", draws=2)
    assert mixed.rank == 2
    assert any("gauge" in note for note in mixed.notes)


def test_wrong_questions_are_errors(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    with pytest.raises(LensError, match="BA's left subspace is B's"):
        shared_subspace(adapter, "value", matrices=["BA"])  # type: ignore[list-item]
    with pytest.raises(LensError, match="some of"):
        shared_subspace(adapter, "value", matrices=[])
    for width in (0, 9):
        with pytest.raises(RankError, match="expected 1 to 8"):
            shared_subspace(adapter, "value", width=width)
    with pytest.raises(RankError, match="at most 4"):
        shared_subspace(adapter, "value", 5)
    with pytest.raises(LensError, match="draws"):
        shared_subspace(adapter, "value", draws=1)
