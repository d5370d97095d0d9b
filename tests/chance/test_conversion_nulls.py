"""The nulls of `conversion_similarity` and their tests, on small models and on MiniLM's value."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from planted import plant
from scipy.stats import kstest
from slow_routes import conditioned, slow_conversions, slow_phi

from lora_lens import (
    compare,
    conversion_similarity,
    demo_adapter,
    load_adapter,
    open_base,
)
from lora_lens.adapter import Adapter
from lora_lens.chance.conversion_draws import check_nulls
from lora_lens.chance.null_names import NULLS
from lora_lens.core.solving.factoring import Factored, factor
from lora_lens.errors import LensError
from lora_lens.files.locate import DEMO_BASE
from lora_lens.questions.similarity.result import LayerGrid
from lora_lens.subspaces.layers import RankDeficientWarning

SINGLE = 2e-5  # of φ: nulls are computed in float32


def mixed(shape: BertLike, l: int, p: int, matrix: str, convention: str) -> np.ndarray:
    """Layer l's W0 with the factors of layer p, by a formed inverse."""
    w0 = shape.base[f"{shape.path(l, 'value')}.weight"].double().numpy()
    a, b = (
        shape.adapter[f"base_model.model.bert.{shape.path(p, 'value')}.lora_{f}.weight"].double()
        for f in "AB"
    )
    return slow_conversions(w0, a.numpy(), b.numpy(), convention)[matrix]


@pytest.mark.parametrize("condition", [1e2, 1e6])
def test_the_largest_cell_under_every_order_of_the_factors(
    tmp_path: Path, condition: float
) -> None:
    """p_max of the mismatched null: an order that leaves two factors in place gives the observed φ itself.

    A null computed less precisely than the observed grid would let rounding decide such ties, which
    are one order in L(L−1).
    """
    layers, d = 5, 16
    rng = np.random.default_rng(3)
    w0 = [conditioned(d, d, condition, rng) for _ in range(layers)]
    factors = [(rng.standard_normal((d, 2)), rng.standard_normal((2, d))) for _ in range(layers)]
    adapter = plant(tmp_path, w0, factors)
    grid = conversion_similarity(adapter, "value", nulls=["mismatched"], draws=200)["B"]
    through = [[np.linalg.solve(w, b) for b, _ in factors] for w in w0]
    cells = [(l, m) for l in range(layers) for m in range(l)]
    of = {
        (l, m, p, q): slow_phi(through[l][p], through[m][q], 2, 2)
        for l, m in cells
        for p, q in itertools.permutations(range(layers), 2)
    }
    by_cell = [
        np.array([of[l, m, p, q] for p, q in itertools.permutations(range(layers), 2)])
        for l, m in cells
    ]
    centre, spread = [x.mean() for x in by_cell], [x.std() for x in by_cell]
    highest = np.array(
        [
            max(
                (of[l, m, order[l], order[m]] - c) / s
                for (l, m), c, s in zip(cells, centre, spread, strict=True)
            )
            for order in itertools.permutations(range(layers))
        ]
    )
    test, baseline = grid.significance["mismatched"], grid.baselines["mismatched"]
    for (l, m), c, s, values in zip(cells, centre, spread, by_cell, strict=True):
        z = (of[l, m, l, m] - c) / s
        assert test.p_max[l, m] == pytest.approx((highest >= z - 1e-7).mean(), abs=1e-12)
        others = np.delete(values, np.abs(values - of[l, m, l, m]).argmin())
        tight = 1e-9 * condition / 1e2  # two routes through an ill-conditioned W0 agree no better
        assert baseline.grid(layers)[l, m] == pytest.approx(others.mean(), abs=tight)
        assert baseline.sd_grid(layers)[l, m] == pytest.approx(others.std(ddof=1), abs=tight)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
@pytest.mark.parametrize(
    ("side", "i", "j"), [("left", 4, 4), ("left", 2, 3), ("right", 2, 2), ("right", 4, 4)]
)
def test_mismatched_is_the_factors_shuffled_over_the_layers(
    tmp_path: Path, convention: str, side: str, i: int, j: int
) -> None:
    """Second route: every pair of factors through every pair of W0, one φ after the other."""
    shape = BertLike(layers=4, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    result = conversion_similarity(
        load_adapter(tmp_path / "lora"), "value", i=i, j=j, side=side, convention=convention,
        nulls=["mismatched"], draws=100,
    )  # fmt: skip
    orders = list(itertools.permutations(range(4)))[1:]
    for matrix, grid in result.items():
        every = {
            (l, p): mixed(shape, l, p, matrix, convention)
            for l, p in itertools.product(range(4), repeat=2)
        }

        def phi(l: int, p: int, m: int, q: int, every: dict = every) -> float:
            return slow_phi(every[l, p], every[m, q], i, j, side)

        baseline, test = grid.baselines["mismatched"], grid.significance["mismatched"]
        for l, m in itertools.permutations(range(4), 2):
            values = np.array(
                [
                    phi(l, p, m, q)
                    for p, q in itertools.permutations(range(4), 2)
                    if (p, q) != (l, m)
                ]
            )
            assert len(values) == 11
            assert baseline.mean[l, m] == pytest.approx(values.mean(), abs=1e-9)
            assert baseline.sd[l, m] == pytest.approx(values.std(ddof=1), abs=1e-9)
            reached = (values >= grid.values[l, m] - 1e-9).sum()
            assert test.p[l, m] == pytest.approx((reached + 1) / 12)
        means = [
            np.mean([phi(l, o[l], m, o[m]) for l, m in itertools.permutations(range(4), 2)])
            for o in orders
        ]
        assert baseline.draws == 23
        assert test.of_mean.mean == pytest.approx(np.mean(means), abs=1e-9)
        assert test.of_mean.sd == pytest.approx(np.std(means, ddof=1), abs=1e-9)


def test_many_layers_are_mismatched_at_random(tmp_path: Path) -> None:
    """Where the pairs outnumber the draws, the draws are all there is, and agree with the pairs."""
    shape = BertLike(layers=8, width=12, rank=2, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    sampled, exact = (
        conversion_similarity(adapter, "value", nulls=["mismatched"], draws=draws)["B"].baselines[
            "mismatched"
        ]
        for draws in (54, 2000)
    )
    assert sampled.cells is None
    assert len(exact.cells) == 55
    off = ~np.eye(8, dtype=bool)
    error = exact.sd[off] / np.sqrt(54)
    assert (np.abs(sampled.mean - exact.mean)[off] < 4.5 * error).all()


def test_initialisation_is_what_freshly_made_adapters_give(tmp_path: Path) -> None:
    """Second route: A's of PyTorch's own initialisation, of 250 pairs of layers with two W0, analysed like trained ones."""
    w0 = [random(12, 12, seed=layer) * torch.logspace(0, -2, 12) for layer in range(2)]
    rng = np.random.default_rng(0)
    factors = [(rng.standard_normal((12, 2)), rng.standard_normal((2, 12))) for _ in w0]
    adapter, many = (
        plant(tmp_path / str(pairs), [w.numpy() for w in w0] * pairs, factors * pairs)
        for pairs in (1, 10)
    )
    result = conversion_similarity(adapter, "value", nulls=["initialisation"], draws=3000)
    null = result["A"].baselines["initialisation"]
    assert null.draws == 3000
    assert list(result["B"].baselines) == list(result["BA"].baselines) == []
    assert "zero" in result["B"].absent["initialisation"]
    values = []
    torch.manual_seed(0)
    for _ in range(25):
        a = torch.empty(20, 2, 12)
        for layer in a:
            torch.nn.init.kaiming_uniform_(layer, a=5**0.5)
        fresh = with_factors(many, a, many.modules["value"].b)
        grid = conversion_similarity(fresh, "value", matrices=["A"], draws=0)["A"]
        values += np.diag(grid.values, 1)[::2].tolist()  # one W0 with the other beside it
    assert len(values) == 250
    error = np.std(values) / np.sqrt(250) + null.sd[0, 1] / np.sqrt(3000)
    assert abs(np.mean(values) - null.mean[0, 1]) < 4 * error
    assert kstest(values, null.drawn[:, 0, 1]).pvalue > 0.01


def with_factors(adapter: Adapter, a: torch.Tensor, b: torch.Tensor) -> Adapter:
    factors = replace(adapter.modules["value"], a=a, b=b)
    return replace(adapter, modules={"value": factors})


def test_a_null_more_changes_no_others_numbers(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    every = conversion_similarity(adapter, "value", nulls=NULLS, draws=6)["A"].baselines
    for null in NULLS:
        alone = conversion_similarity(adapter, "value", nulls=[null], matrices=["A"], draws=6)["A"]
        np.testing.assert_array_equal(alone.baselines[null].mean, every[null].mean)
        np.testing.assert_array_equal(alone.baselines[null].drawn, every[null].drawn)


def test_fewer_than_three_layers_cannot_be_mismatched(tmp_path: Path) -> None:
    shape = BertLike(layers=2)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    grid = conversion_similarity(load_adapter(tmp_path / "lora"), "value", nulls=NULLS, draws=5)[
        "A"
    ]
    assert "mismatched" not in grid.baselines
    assert "3 layers" in grid.absent["mismatched"]


def test_a_singular_w0_leaves_the_mismatched_null_out(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    broken = {name: w0.clone() for name, w0 in shape.base.items()}
    broken[f"{shape.path(1, 'value')}.weight"][3] = 0
    write_base(tmp_path / "base", shape, broken)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    with pytest.warns(RankDeficientWarning):
        result = conversion_similarity(
            load_adapter(tmp_path / "lora"), "value", convention="consistent", nulls=NULLS, draws=5
        )
    assert list(result["B"].baselines) == ["gaussian", "propagated", "equivalent", "flipped"]
    assert "rank-deficient" in result["B"].absent["mismatched"]


def test_equal_layers_have_excess_one(tmp_path: Path) -> None:
    """A CondLoRA-like B: W0·θ in every layer, so that W0⁻¹B is θ."""
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    theta = random(24, 4, seed=5)
    adapter = load_adapter(tmp_path / "lora")
    w0 = torch.stack([shape.base[f"{shape.path(k, 'value')}.weight"] for k in range(3)])
    tied = with_factors(adapter, adapter.modules["value"].a, w0.double() @ theta.double())
    result = conversion_similarity(tied, "value", matrices=["B"], nulls=NULLS, draws=19)
    for name, test in result["B"].significance.items():
        off = ~np.eye(3, dtype=bool)
        np.testing.assert_allclose(test.excess[off], 1, atol=1e-6)
        if result["B"].baselines[name].draws is not None:
            assert test.of_mean.p == pytest.approx(1 / 20 if test.of_mean.p < 0.1 else 1 / 6)
    assert result["B"].significance["propagated"].discoveries == 3


def test_unknown_nulls_are_an_error() -> None:
    with pytest.raises(LensError, match="no such null: chance; expected some of gaussian"):
        check_nulls(["propagated", "chance"])


# Calibration on real weights


@pytest.fixture(scope="module")
def untrained() -> list[dict[str, LayerGrid]]:
    """100 untrained adapters of MiniLM's value: A as PEFT starts it, B Gaussian."""
    adapter, base = load_adapter(demo_adapter("lora")), open_base(DEMO_BASE)

    @cache
    def factored(w0: bytes, shape: tuple[int, ...], *settings: Any) -> Factored:
        return factor(
            torch.frombuffer(bytearray(w0), dtype=torch.float64).reshape(shape), *settings
        )

    def once(w0: torch.Tensor, cutoff: float, computing: torch.dtype, *_: object) -> Factored:
        assert w0.dtype == torch.float64
        found = factored(w0.numpy().tobytes(), w0.shape, cutoff, computing)
        return replace(found, w0=w0)  # which the next layers' is written over

    def results() -> Iterator[dict[str, LayerGrid]]:
        for seed in range(100):
            generator = torch.Generator().manual_seed(1000 + seed)
            a = 2 * torch.rand(6, 8, 384, generator=generator) - 1
            b = torch.randn(6, 384, 8, generator=generator)
            yield conversion_similarity(
                with_factors(adapter, a, b), "value", matrices=["A", "B"],
                nulls=["gaussian", "propagated", "mismatched", "initialisation"], draws=19, seed=seed, base=base, device="cpu",
            ).grids  # fmt: skip

    with (
        pytest.MonkeyPatch.context() as patch
    ):  # all have one base, of whose condition an estimate does
        patch.setattr("lora_lens.subspaces.layers.factor", once)
        analysis = "lora_lens.questions.similarity.analysis"
        patch.setattr(f"{analysis}.condition_number", lambda factored: factored.condition)
        return list(results())


def uniformity(p: list[float], draws: int) -> float:
    """KS p-value of Monte-Carlo p-values, each spread evenly over its step of 1/(draws + 1)."""
    steps = np.random.default_rng(0).uniform(0, 1 / (draws + 1), len(p))
    return float(kstest(np.array(p) - steps, "uniform").pvalue)


@pytest.mark.parametrize(
    ("matrix", "null"), [("A", "propagated"), ("A", "initialisation"), ("B", "propagated"), ("A", "mismatched"), ("B", "mismatched")]
)  # fmt: skip
def test_untrained_adapters_have_uniform_p_values(
    untrained: list[dict[str, LayerGrid]], matrix: str, null: str
) -> None:
    """The grids' means, and cells that have no layer in common: others of one adapter depend on each other.

    A null of which the 300 cells lie 0.3 deviations off is found out at least nine times in ten.
    """
    tests = [grids[matrix].significance[null] for grids in untrained]
    assert uniformity([float(test.of_mean.p) for test in tests], 19) > 0.01
    if null == "mismatched":  # all cells have the same values to be ranked among
        for cell in ((0, 1), (4, 5)):
            assert uniformity([float(test.p[cell]) for test in tests], 29) > 0.01
    else:
        p = [float(test.p[cell]) for test in tests for cell in ((0, 1), (2, 3), (4, 5))]
        assert uniformity(p, 19) > 0.01


@pytest.mark.parametrize("matrix", ["A", "B"])
def test_the_gaussian_nulls_p_values_are_not_uniform_for_minilms_value(
    untrained: list[dict[str, LayerGrid]], matrix: str
) -> None:
    tests = [grids[matrix].significance["gaussian"] for grids in untrained]
    assert uniformity([float(test.of_mean.p) for test in tests], 19) < 1e-12
    assert uniformity([float(test.p[4, 5]) for test in tests], 19) < 1e-12


def test_corrected_p_values_find_nothing_in_untrained_adapters(
    untrained: list[dict[str, LayerGrid]],
) -> None:
    """Family-wise errors at 0.1 by the max-statistic: about one adapter of ten, where the Gaussian null has all."""
    for matrix in ("A", "B"):
        rate = {
            null: np.mean(
                [np.nanmin(grids[matrix].significance[null].p_max) <= 0.1 for grids in untrained]
            )
            for null in ("propagated", "gaussian")
        }
        assert rate["propagated"] < 0.2  # 3.3 deviations above 0.1
        assert rate["gaussian"] == 1


# Two adapters


def test_unrelated_adapters_have_uniform_p_values(tmp_path: Path) -> None:
    shape = BertLike(layers=4, modules=("value",))
    write_lora(tmp_path / "one", shape)
    adapter = load_adapter(tmp_path / "one")
    found: dict[str, list[float]] = {"A": [], "B": [], "delta": []}
    means: dict[str, list[float]] = {"A": [], "B": [], "delta": []}
    for seed in range(100):
        one, other = (
            with_factors(adapter, random(4, 4, 24, seed=k), random(4, 24, 4, seed=k + 1))
            for k in (4 * seed, 4 * seed + 2)
        )
        result = compare(one, other, "value", draws=99, seed=seed)
        for matrix, series in result.items():
            found[matrix].append(series.significance.p[0])
            means[matrix].append(series.significance.of_mean.p)
        np.testing.assert_array_equal(
            result["B"].significance.p, result["delta"].significance.p
        )  # at i = j = r they are the same φ, and share the draws
    for p in (*found.values(), *means.values()):
        assert uniformity(p, 99) > 0.01


def test_compare_without_draws_has_no_p_values(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    for series in compare(adapter, adapter, "value", draws=0).values():
        assert np.isnan(series.significance.p).all()
        np.testing.assert_allclose(series.significance.excess, 1, atol=1e-12)
    with pytest.raises(LensError, match="draws is -1"):
        compare(adapter, adapter, "value", draws=-1)
