import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from numpy.typing import NDArray
from planted import Factors, plant, regauged, tensor, unit
from safetensors.torch import load_file, save_file
from scipy import stats

import lora_lens as ll
from lora_lens import LensError, RankError, demo_adapter, load_adapter, magnitude_and_direction
from lora_lens.adapter import ModuleFactors
from lora_lens.errors import ModuleLookupError
from lora_lens.questions.magnitude import analysis
from lora_lens.questions.magnitude.result import ChangesTogether, MagnitudeAndDirection
from lora_lens.questions.magnitude.tables import legend
from lora_lens.questions.magnitude.words import _can_be_tested, alike
from lora_lens.subspaces.delta import rescaled_delta

Array = NDArray[np.float64]


def dense(w0: Array, delta: Array) -> tuple[float, float]:
    """As it is defined."""
    before, after = (np.linalg.norm(each, axis=1) for each in (w0, w0 + delta))
    cosines = (w0 * (w0 + delta)).sum(1) / (before * after)
    return float(np.abs(after - before).mean()), float((1 - cosines).mean())


def values(result: MagnitudeAndDirection) -> Array:
    return np.array([(one.magnitude.value, one.direction.value) for one in result.layers])


def some(
    layers: int, seed: int = 0, r: int = 3, shape: tuple[int, int] = (24, 16)
) -> tuple[list[Array], list[Factors]]:
    rng = np.random.default_rng(seed)
    out, into = shape
    w0 = [rng.standard_normal(shape) for _ in range(layers)]
    sizes = rng.uniform(0.01, 0.1, layers)
    factors = [
        (size * rng.standard_normal((out, r)), rng.standard_normal((r, into))) for size in sizes
    ]
    return w0, factors


def test_a_multiple_of_w0_turns_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    factors = [(rng.standard_normal((8, 2)), rng.standard_normal((2, 6))) for _ in range(3)]
    w0 = [b @ a for b, a in factors]
    result = magnitude_and_direction(plant(tmp_path, w0, factors, scaling=0.5), "value", draws=0)
    np.testing.assert_allclose(
        [one.magnitude.value for one in result.layers],
        [0.5 * np.linalg.norm(w, axis=1).mean() for w in w0],
    )
    np.testing.assert_allclose([one.direction.value for one in result.layers], 0, atol=1e-14)


def test_what_is_orthogonal_to_every_row_has_one_angle(tmp_path: Path) -> None:
    w0 = 3 * unit(6, 0, 1, 2, 3) @ unit(5, 0, 1, 2, 3).T
    w0[4:] = w0[:2]
    delta = 4 * np.ones((6, 1)), unit(5, 4).T  # (3, 4): five long, of cosine 3/5
    (layer,) = magnitude_and_direction(plant(tmp_path, [w0], [delta]), "value").layers
    assert (layer.magnitude.value, layer.direction.value) == pytest.approx((2.0, 0.4))
    assert layer.rows == 6


def test_equals_the_dense_definition(tmp_path: Path) -> None:
    w0, factors = some(5)
    result = magnitude_and_direction(plant(tmp_path, w0, factors, scaling=2), "value", draws=50)
    expected = np.array([dense(w, 2 * b @ a) for w, (b, a) in zip(w0, factors, strict=True)])
    np.testing.assert_allclose(values(result), expected, rtol=1e-9)
    (together,) = result.together
    assert together.r == pytest.approx(stats.pearsonr(*expected.T).statistic)
    drawn = [[change.drawn for change in (one.magnitude, one.direction)] for one in result.layers]
    each = [stats.pearsonr(*np.array(drawn)[:, :, k].T).statistic for k in range(50)]
    np.testing.assert_allclose(together.drawn, each)


def test_the_gauge_changes_nothing_and_a_scaled_row_does(tmp_path: Path) -> None:
    w0, factors = some(3)
    other = regauged(factors, np.random.default_rng(1))
    one, two = (
        magnitude_and_direction(plant(tmp_path / name, w0, pairs), "value", draws=20)
        for name, pairs in (("one", factors), ("two", other))
    )
    np.testing.assert_allclose(values(two), values(one), rtol=1e-9)
    np.testing.assert_allclose(two.together[0].drawn, one.together[0].drawn, rtol=1e-7)
    rows = np.linspace(0.2, 3, 24)[:, None]
    scaled = plant(tmp_path / "3", [rows * w for w in w0], [(rows * b, a) for b, a in factors])
    three = values(magnitude_and_direction(scaled, "value", draws=0))
    np.testing.assert_allclose(
        three[:, 1], values(one)[:, 1], rtol=1e-9
    )  # a common scale of row and change
    assert np.abs(three[:, 0] / values(one)[:, 0] - 1).min() > 0.1


def test_a_seed_and_a_layers_name_make_its_draws(tmp_path: Path) -> None:
    w0, factors = some(4)
    adapter = plant(tmp_path, w0, factors)
    one, again, other = (
        magnitude_and_direction(adapter, "value", draws=9, seed=s) for s in (0, 0, 1)
    )
    assert one == again
    assert one != other
    first = plant(tmp_path / "fewer", w0[:3], factors[:3])
    fewer = magnitude_and_direction(first, "value", draws=9)
    np.testing.assert_array_equal(fewer.layers[2].magnitude.drawn, one.layers[2].magnitude.drawn)


def test_unequal_norms_alone_make_the_papers_positive_correlation(tmp_path: Path) -> None:
    """Random ΔW of random norms."""
    w0, factors = some(8, seed=3)
    result = magnitude_and_direction(plant(tmp_path, w0, factors), "value")
    (finding,) = result.findings
    assert result.together[0].r > 0.8
    assert result.together[0].mean > 0.8
    assert finding.word == "not seen"
    assert "ΔM and ΔD are no more correlated than those of random ΔW" in result.summary
    assert "r outside " in result.summary
    m, d = (
        np.median([change.value / change.mean for change in changes])
        for changes in zip(*((one.magnitude, one.direction) for one in result.layers), strict=True)
    )
    said = f"ΔM is {m:.2f} and ΔD {d:.2f} times that of random ΔW with the same singular values in the median"
    assert said in result.summary


def test_correlations_have_the_same_digits_throughout_a_sentence() -> None:
    """Each had as many as two digits of its distance from 1 take: 0.975 to 0.999904, 0.81 to 0.929."""
    demo = load_adapter(demo_adapter("lora"))
    for draws in (0, 99):
        _, said = magnitude_and_direction(demo, draws=draws).summary.split("; ", 1)
        decimals = {len(one) for one in re.findall(r"\b[01]\.(\d+)", said)}
        assert len(decimals) == 1, said
    assert [alike([0.99987, 0.5])(r) for r in (0.99987, 0.5, 0.999999)] == [
        "0.99987", "0.50000", "1",
    ]  # fmt: skip


def test_a_negative_correlation_is_found(tmp_path: Path) -> None:
    """Layers whose ΔW lengthens rows the more, the less it turns them, of norms that make random ones rise together."""
    rng = np.random.default_rng(4)
    w0, factors = [], []
    for size, share in zip(np.linspace(0.2, 0.5, 8), np.linspace(0.1, 0.99, 8), strict=True):
        rows, off = rng.standard_normal((2, 24, 16))
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        off -= (rows * off).sum(1)[:, None] * rows
        off /= np.linalg.norm(off, axis=1)[:, None]
        w0.append(rows)
        factors.append((size * (share * rows + np.sqrt(1 - share**2) * off), np.eye(16)))
    result = magnitude_and_direction(plant(tmp_path, w0, factors), "value", draws=99)
    (finding,) = result.findings
    assert result.together[0].r < -0.6
    assert finding.word == "less"
    assert "ΔM and ΔD are less correlated than those of random ΔW" in result.summary
    assert "going apart, far below chance" in result.summary
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["findings"][0]["value"] < -0.6


def test_doras_is_its_true_one(tmp_path: Path) -> None:
    w0, factors = some(3)
    adapter = plant(tmp_path, w0, factors)
    plain = adapter.modules["value"]
    m = torch.from_numpy(np.random.default_rng(5).uniform(2, 6, (3, 24)))
    dora = replace(plain, magnitude=m)
    result = magnitude_and_direction(replace(adapter, modules={"value": dora}), "value")
    expected = [dense(w, rescaled_delta(dora, k, tensor(w)).numpy()) for k, w in enumerate(w0)]
    np.testing.assert_allclose(values(result), expected, rtol=1e-9)
    lengths = [np.abs(m[k].numpy() - np.linalg.norm(w, axis=1)).mean() for k, w in enumerate(w0)]
    np.testing.assert_allclose(values(result)[:, 0], lengths)  # DoRA's magnitude is of these rows
    assert [one.rank for one in result.layers] == [16] * 3


def test_a_model_that_was_tuned_in_full(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", BertLike(layers=3))
    own = load_file(base / "model.safetensors")
    changed = {
        name: w + 0.1 * random(*w.shape, seed=1000 + k) if w.ndim > 1 else w
        for k, (name, w) in enumerate(own.items())
    }
    (tmp_path / "tuned").mkdir()
    save_file(changed, tmp_path / "tuned" / "model.safetensors")
    shutil.copy(base / "config.json", tmp_path / "tuned" / "config.json")
    result = magnitude_and_direction(ll.load_adapter(tmp_path / "tuned", base), draws=20)
    assert result.modules == ("key", "query", "value")
    assert result.stem == "magnitude"
    assert [one.label for one in result.together] == [*result.modules, "all modules together"]
    for one in result.layers:
        (name,) = [n for n in own if f"layer.{one.layer}.attention.self.{one.module}.w" in n]
        w0 = own[name].double().numpy()
        found = one.magnitude.value, one.direction.value
        np.testing.assert_allclose(found, dense(w0, changed[name].double().numpy() - w0), rtol=1e-5)
    assert "20 draws are too few to tell" in result.summary


def two_ranks(folder: Path, *, rank: int = 2) -> ll.Adapter:
    """Query of this rank and value of 8, of 24 directions."""
    shape = BertLike(modules=("query", "value"), rank=rank)
    write_base(folder / "base", shape)
    ranks = {f"{layer}.value": 8 for layer in range(shape.layers)}
    pattern = {f"layer.{layer}.attention.self.value": 8 for layer in range(shape.layers)}
    config = {"rank_pattern": pattern}
    write_lora(folder / "lora", shape, base=str(folder / "base"), config=config, ranks=ranks)
    return load_adapter(folder / "lora")


def test_many_directions_of_small_w0_are_drawn_as_often_as_few(tmp_path: Path) -> None:
    """A narrow module, as k and v of a grouped-query model, had all of an adapter's drawn 20 times."""
    result = magnitude_and_direction(two_ranks(tmp_path))
    assert {len(one.magnitude.drawn) for one in result.layers} == {result.draws} == {200}
    assert not [note for note in result.notes if "decompositions" in note]


def test_a_dear_module_is_drawn_less_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = two_ranks(tmp_path)
    monkeypatch.setattr(analysis, "_DEAR", 48 * 8**2)
    result = magnitude_and_direction(adapter)
    alone = magnitude_and_direction(adapter, "query")
    for one, other in zip(result.of("query"), alone.of("query"), strict=True):
        np.testing.assert_array_equal(one.magnitude.drawn, other.magnitude.drawn)
    assert [(one.label, len(one.drawn)) for one in result.together] == [
        ("query", 200), ("value", 20), ("all modules together", 20),
    ]  # fmt: skip
    assert [one["draws"] for one in result.to_dict()["correlations"]] == [200, 20, 20]
    assert (result.draws, result.fewer) == (200, {"value": 20})
    (note,) = [note for note in result.notes if "decompositions" in note]
    assert note.startswith("ΔW of value has a quarter of all directions or more")
    assert "20 are drawn of it (and of the correlation over all modules)" in note
    assert "200 random ΔW (20 of value)" in legend(result)[1]
    assert np.isfinite(result.to_dict()["correlations"][0]["p"])
    both = two_ranks(tmp_path / "both", rank=6)
    monkeypatch.setattr(analysis, "_DEAR", 48 * 6**2)
    result = magnitude_and_direction(both)
    assert (result.draws, result.fewer) == (20, {})
    assert "query and value has a quarter" in " ".join(result.notes)
    assert magnitude_and_direction(both, draws=30).draws == 30


@pytest.mark.parametrize(
    ("out", "into", "rank", "dear"),
    [
        (128, 4096, 64, False), (1024, 4096, 256, True), (4096, 4096, 512, False), (384, 384, 384, True),
        (128, 128, 128, False),
    ],
)  # fmt: skip
def test_what_is_dear_is_decided_by_the_size_and_the_directions(
    out: int, into: int, rank: int, *, dear: bool
) -> None:
    a, b = torch.empty(1, rank, into, device="meta"), torch.empty(1, out, rank, device="meta")
    factors = ModuleFactors("v", "*.v", (0,), ("0.v",), a, b, torch.ones(1), (rank,))
    assert analysis._is_dear(factors) == dear


def test_an_untrained_layer_and_rows_of_zeros_are_told(tmp_path: Path) -> None:
    w0, factors = some(5)
    factors[1] = (0 * factors[1][0], factors[1][1])
    w0[3][[2, 5]] = 0
    result = magnitude_and_direction(plant(tmp_path, w0, factors), "value", draws=20)
    assert "ΔW of value is zero in layer 1, not trained there" in " ".join(result.notes)
    assert "no direction and are left out: 2 in layer 3" in " ".join(result.notes)
    assert (result.layers[1].rank, result.layers[1].magnitude.value) == (0, 0.0)
    assert (result.layers[3].rows, result.layers[3].zero_rows) == (22, 2)
    assert result.together[0].layers == 4
    keep = np.linalg.norm(w0[3], axis=1) > 0
    expected = dense(w0[3][keep], (factors[3][0] @ factors[3][1])[keep])
    np.testing.assert_allclose(values(result)[3], expected, rtol=1e-9)
    untrained = [(0 * b, a) for b, a in factors]
    nothing = magnitude_and_direction(plant(tmp_path / "0", w0, untrained), "value")
    assert nothing.summary.startswith("ΔW of value is zero in every layer")
    assert nothing.plot().axes


@pytest.mark.parametrize("layers", [1, 2])
def test_two_layers_have_no_correlation(tmp_path: Path, layers: int) -> None:
    w0, factors = some(layers)
    result = magnitude_and_direction(plant(tmp_path, w0, factors), "value", draws=20)
    assert result.together == result.findings == ()
    assert "a correlation takes 3 at least" in result.notes[-1]
    assert "too few layers" in result.summary
    assert len(result.plot().axes) == 1


def test_layers_all_alike_have_no_correlation(tmp_path: Path) -> None:
    w0, factors = some(1)
    result = magnitude_and_direction(plant(tmp_path, w0 * 4, factors * 4), "value", draws=20)
    assert np.isnan(result.together[0].r)
    assert result.findings == ()
    assert "all alike" in result.summary
    assert "nan" not in json.dumps(result.to_dict(), allow_nan=False)


def test_what_is_made_of_w0_is_not_tested() -> None:
    result = magnitude_and_direction(ll.demo_adapter("condlora"), draws=20)
    assert result.findings == ()
    assert "made of W0" in result.notes[-1]
    assert "nothing was tested" in result.summary
    assert result.modules == ("query", "value")


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    w0, factors = some(3)
    adapter = plant(tmp_path, w0, factors)
    with pytest.raises(LensError, match="draws is 1; expected 0"):
        magnitude_and_direction(adapter, draws=1)
    with pytest.raises(ModuleLookupError, match="key"):
        magnitude_and_direction(adapter, ["value", "key"])
    with pytest.raises(ModuleLookupError, match="has no module in numbered layers"):
        magnitude_and_direction(replace(adapter, modules={}))
    zero = plant(tmp_path / "0", [0 * w0[0]], factors[:1])
    with pytest.raises(RankError, match="is all zero, and no row of it has a direction"):
        magnitude_and_direction(zero)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_row_that_vanishes_has_turned_by_a_right_angle(tmp_path: Path, dtype: str) -> None:
    """As of a pruned model: its cosine is no rounding's."""
    rng = np.random.default_rng(4)
    factors = [(rng.standard_normal((8, 6)), rng.standard_normal((6, 6))) for _ in range(4)]
    w0 = [-(b @ a) for b, a in factors]
    result = magnitude_and_direction(plant(tmp_path, w0, factors), draws=20, dtype=dtype)
    np.testing.assert_allclose(values(result)[:, 1], 1, rtol=1e-6)
    assert not result.findings
    assert "layers that are all alike have no correlation" in result.summary


def test_what_is_a_multiple_of_w0_has_no_correlation(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    factors = [(rng.standard_normal((8, 2)), rng.standard_normal((2, 6))) for _ in range(4)]
    result = magnitude_and_direction(plant(tmp_path, [b @ a for b, a in factors], factors))
    assert values(result)[:, 1].tolist() == [0] * 4
    assert not result.findings


def test_between_which_95_of_100_are() -> None:
    drawn = np.random.default_rng(0).permutation(np.linspace(-0.5, 0.5, 41))
    one = ChangesTogether(("value",), 3, 0.1, drawn)
    assert one.middle == pytest.approx((-0.475, 0.475))
    assert (one.mean, one.sd) == pytest.approx((0.0, drawn.std(ddof=1)))
    assert _can_be_tested(one)
    assert not _can_be_tested(replace(one, drawn=np.full(41, 0.5)))  # which says how far by nothing


def test_no_module_is_none() -> None:
    with pytest.raises(ModuleLookupError, match="no module is named; None is all of them"):
        magnitude_and_direction(ll.demo_adapter("lora"), [])


def test_what_is_not_tested_has_no_p() -> None:
    result = magnitude_and_direction(ll.demo_adapter("condlora"), "value", draws=20)
    assert result.to_dict()["correlations"][0]["p"] is None
    assert "nothing was tested" in result.summary
