"""φ of ridge conversions, their nulls, and what is said of them."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted import orthogonal, plant
from scipy.stats import ks_2samp
from slow_routes import (
    Array,
    conditioned,
    slow_conversions,
    slow_grid,
    slow_phi,
    slow_ridge,
    slow_ridge_conversions,
)
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens import conversion_similarity
from lora_lens.chance.null_names import NULLS
from lora_lens.cli import app
from lora_lens.errors import LensError, SingularError
from lora_lens.questions.similarity.figures import conversion
from lora_lens.report.analysis import analyse
from lora_lens.report.provenance import choices
from lora_lens.report.request import Request

Layers = list[tuple[Array, Array, Array]]  # W0, B, A


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def layers(rows: int, columns: int, rng: np.random.Generator, count: int = 4) -> Layers:
    return [
        (
            conditioned(rows, columns, 1e3, rng),
            rng.standard_normal((rows, 3)),
            rng.standard_normal((3, columns)),
        )
        for _ in range(count)
    ]


def planted(folder: Path, made: Layers) -> ll.Adapter:
    return plant(folder, [w for w, _, _ in made], [(b, a) for _, b, a in made])


@pytest.mark.parametrize(
    ("rows", "columns", "convention"),
    [(14, 14, "stored"), (14, 14, "consistent"), (14, 10, "consistent"), (10, 14, "consistent")],
)
@pytest.mark.parametrize(("side", "i", "j"), [("left", 3, 3), ("left", 1, 2), ("right", 2, 2)])
@pytest.mark.parametrize("ridge", [0.2, 2])
def test_equals_the_definition(
    tmp_path: Path, rng: np.random.Generator, rows: int, columns: int, convention: str, side: str,
    i: int, j: int, ridge: float,
) -> None:  # fmt: skip
    """Second route: normal equations, two full SVDs a pair."""
    made = layers(rows, columns, rng)
    result = conversion_similarity(
        planted(tmp_path, made), "value", i=i, j=j, side=side, convention=convention, ridge=ridge,
        draws=0,
    )  # fmt: skip
    slow = [slow_ridge_conversions(w, a, b, convention, ridge) for w, b, a in made]
    for matrix, grid in result.items():
        expected = slow_grid([one[matrix] for one in slow], i, j, side)
        np.testing.assert_allclose(grid.values, expected, atol=1e-9)
        assert grid.ridge == ridge


def test_without_a_ridge_it_is_as_ever(tmp_path: Path, rng: np.random.Generator) -> None:
    made = layers(14, 14, rng)
    adapter = planted(tmp_path, made)
    asked = {"nulls": NULLS, "draws": 9}
    usual, none, some = (
        conversion_similarity(adapter, "value", **asked, **more)
        for more in ({}, {"ridge": 0}, {"ridge": 1.0})
    )
    assert json.dumps(usual.to_dict()) == json.dumps(none.to_dict())
    slow = [slow_conversions(w, a, b, "stored")["B"] for w, b, a in made]
    np.testing.assert_allclose(usual["B"].values, slow_grid(slow, 3, 3, "left"), atol=1e-8)
    assert some.condition_number == usual.condition_number  # W0's, whatever the ridge
    assert (usual.to_dict()["ridge"], some.to_dict()["ridge"]) == (0, 1)
    assert {row["ridge"] for row in some.rows()} == {1}


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_the_mismatched_null_goes_through_the_same_ridge(
    tmp_path: Path, rng: np.random.Generator, convention: str
) -> None:
    made = layers(14, 14, rng)
    result = conversion_similarity(
        planted(tmp_path, made), "value", convention=convention, ridge=0.5, nulls=["mismatched"],
        draws=50,
    )  # fmt: skip
    orders = list(itertools.permutations(range(4)))[1:]
    for matrix, grid in result.items():
        found = [
            [slow_ridge_conversions(w, a, b, convention, 0.5)[matrix] for _, b, a in made]
            for w, _, _ in made
        ]
        means = [
            np.mean(
                [
                    slow_phi(found[l][order[l]], found[m][order[m]], 3, 3)
                    for l, m in itertools.combinations(range(4), 2)
                ]
            )
            for order in orders
        ]
        test = grid.significance["mismatched"].of_mean
        assert test.mean == pytest.approx(np.mean(means), abs=1e-9)
        assert test.sd == pytest.approx(np.std(means, ddof=1), abs=1e-9)


@pytest.mark.parametrize(("rows", "columns"), [(12, 12), (12, 8), (8, 12)])
@pytest.mark.parametrize("rank", [3, 1])
def test_random_factors_go_through_the_same_ridge(
    tmp_path: Path, rng: np.random.Generator, rows: int, columns: int, rank: int
) -> None:
    """Second route: Gaussian factors with the singular values of the layers' own, by the definition."""
    draws, shape = 400, (rows, columns)
    w0 = []
    for few in (1, 2):  # the ridge hides these directions, which W0⁻¹ would be full of
        s = np.where(np.arange(min(shape)) < few, 0.1, 1.0)
        s[few : few + 2] = 4
        w0.append((orthogonal(rows, rng)[:, : len(s)] * s) @ np.eye(len(s), columns))
    made = [(w, rng.standard_normal((rows, 3)), rng.standard_normal((3, columns))) for w in w0]
    result = conversion_similarity(
        planted(tmp_path, made), "value", rank, convention="consistent", ridge=1.0,
        nulls=["propagated", "initialisation"], draws=draws,
    )  # fmt: skip
    drawn = []
    for _ in range(draws):
        pair = []
        for w, b, _ in made:
            u = orthogonal(rows, rng)[:, :3] * np.linalg.svd(b, compute_uv=False)
            pair.append(slow_ridge(w, u, 1.0))
        drawn.append(slow_phi(*pair, rank, rank))
    null = result["B"].baselines["propagated"].drawn[:, 0, 1]
    assert ks_2samp(null, drawn).pvalue > 1e-3
    started = []
    for _ in range(draws):
        uniform = rng.uniform(-1, 1, (2, columns, 3))
        pair = [slow_ridge(w.T, g, 1.0) for (w, _, _), g in zip(made, uniform, strict=True)]
        started.append(slow_phi(*pair, rank, rank))
    null = result["A"].baselines["initialisation"].drawn[:, 0, 1]
    assert ks_2samp(null, started).pvalue > 1e-3


@pytest.mark.parametrize("ridge", [-1, -0.5, math.nan, math.inf, -math.inf])
def test_only_a_finite_ridge_from_0_up(
    tmp_path: Path, rng: np.random.Generator, ridge: float
) -> None:
    adapter = planted(tmp_path, layers(14, 14, rng))
    with pytest.raises(
        LensError, match=f"ridge is {ridge!r}; expected 0, or a finite number above"
    ):
        conversion_similarity(adapter, "value", ridge=ridge)
    with pytest.raises(LensError, match=f"ridge is {ridge!r}; expected 0"):
        Request(ridge=ridge)
    for command in ("similarity", "report"):
        done = CliRunner().invoke(
            app, [command, adapter.source, f"--ridge={ridge}", "--out", str(tmp_path / "out")]
        )
        # Who refuses NaN first, typer or the analysis, hangs on typer's version.
        assert done.exit_code in ({1, 2} if math.isnan(ridge) else {1 if ridge > 0 else 2})
        assert "ridge" in done.stderr
        assert done.stdout == ""
        assert not (tmp_path / "out").exists()


def test_a_singular_w0_has_ridge_conversions(tmp_path: Path, rng: np.random.Generator) -> None:
    """Under `stored` too: nothing is inverted. Its condition number stays infinite."""
    made = layers(14, 14, rng)
    made[1][0][:, 3] = 0
    adapter = planted(tmp_path, made)
    with pytest.raises(SingularError, match="layer 1"):
        conversion_similarity(adapter, "value", convention="stored")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = conversion_similarity(adapter, "value", convention="stored", ridge=1, draws=3)
    slow = [slow_ridge_conversions(w, a, b, "stored", 1) for w, b, a in made]
    for matrix, grid in result.items():
        expected = slow_grid([one[matrix] for one in slow], 3, 3, "left")
        np.testing.assert_allclose(grid.values, expected, atol=1e-9)
    assert result.condition_number[1] == math.inf


@pytest.mark.parametrize("rank", [6, 7])
def test_a_median_of_zero_is_no_unit(tmp_path: Path, rng: np.random.Generator, rank: int) -> None:
    """Of 14 singular values, 7 that are not zero leave half of the seventh as the median; 6 leave nothing."""
    made = layers(14, 14, rng)
    made[2][0][:, rank:] = 0
    adapter = planted(tmp_path, made)
    if rank == 7:
        result = conversion_similarity(adapter, "value", ridge=1, draws=3)
        slow = [slow_ridge_conversions(w, a, b, "stored", 1)["B"] for w, b, a in made]
        expected = slow_grid(slow, 3, 3, "left")
        np.testing.assert_allclose(result["B"].values, expected, atol=1e-9)
        return
    with pytest.raises(SingularError, match=r"layer 2 \(rank 6 of 14\).*median.*leave the ridge"):
        conversion_similarity(adapter, "value", ridge=1, draws=3)


def test_the_ridge_is_said(tmp_path: Path, rng: np.random.Generator) -> None:
    adapter = planted(tmp_path, layers(14, 14, rng))
    plain, result = (
        conversion_similarity(adapter, "value", ridge=ridge, draws=19) for ridge in (0, 2.5)
    )
    assert "can miss a shared layer" in plain.summary
    assert "can miss" not in result.summary
    assert "0 times the median" not in " ".join(plain.notes)
    assert "2.5 times the median singular value" in " ".join(result.notes)
    assert conversion(result["B"]) == "B: W0⁻¹B, ridge 2.5"
    assert "ridge 2.5" in result._repr_html_()
    done = CliRunner().invoke(
        app, ["similarity", adapter.source, "--ridge", "2.5", "--draws", "19"]
    )
    assert "stored, ridge 2.5" in " ".join(done.stdout.split())
    done = CliRunner().invoke(
        app, ["similarity", adapter.source, "--ridge", "2.5", "--draws", "19", "--json"]
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(result.to_dict()))


def test_a_report_has_the_ridge(tmp_path: Path, rng: np.random.Generator) -> None:
    adapter = planted(tmp_path, layers(14, 14, rng))
    request = Request(draws=19, ridge=2.5)
    analysed = analyse([adapter], request)
    found = analysed.modules[0].answer("similarity").result
    expected = conversion_similarity(adapter, "value", ridge=2.5, draws=19)["B"].values
    np.testing.assert_array_equal(found["B"].values, expected)
    assert dict(choices(analysed, None, ""))["Ridge"].startswith("2.5 times the median")
    assert "Ridge" not in dict(choices(analyse([adapter], Request(draws=19)), None, ""))


# What it sees


def data_sets(share: float, count: int) -> Iterator[ll.Adapter]:
    """MiniLM's value in three layers: B of W0·θ, one θ for all, and noise; `share` is θ's of the energy."""
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    value = adapter.modules["value"]
    kept = {name: getattr(value, name)[3:] for name in ("layers", "names", "a", "b", "scaling", "ranks")}  # fmt: skip
    value, base = replace(value, **kept), ll.open_base(adapter.base_model)
    w0 = torch.stack([base.w0(value, k) for k in range(3)]).double()
    generator = torch.Generator().manual_seed(0)

    def unit(x: torch.Tensor) -> torch.Tensor:
        return x / x.norm(dim=(1, 2), keepdim=True)

    for _ in range(count):
        theta = torch.randn(384, 8, generator=generator, dtype=torch.float64)
        noise = torch.randn(3, 384, 8, generator=generator, dtype=torch.float64)
        b = share**0.5 * unit(w0 @ theta) + (1 - share) ** 0.5 * unit(noise)
        yield replace(adapter, modules={"value": replace(value, b=b)})


def found(share: float, *, ridge: float, of: int = 10) -> int:
    """Of so many data sets, those with p of the mean at most .05."""
    made = list(data_sets(share, of))
    asked = {"ridge": ridge, "matrices": ["B"], "nulls": ["propagated"], "device": "cpu"}
    first = conversion_similarity(made[0], "value", draws=99, **asked)["B"]
    off = ~np.eye(3, dtype=bool)
    null = first.baselines["propagated"].drawn[:, off].mean(-1)  # of W0 alone at full rank
    means = [first.mean] + [
        conversion_similarity(one, "value", draws=0, **asked)["B"].mean for one in made[1:]
    ]
    return int(((1 + (null >= np.array(means)[:, None]).sum(-1)) / 100 <= 0.05).sum())


def test_a_ridge_finds_a_shared_layer_that_w0s_inverse_hides() -> None:
    assert found(0.5, ridge=1) >= 9
    assert found(0.5, ridge=0) <= 3
    assert found(0, ridge=1, of=6) <= 2  # at .05, exceeded twice in 1000 times


@pytest.mark.parametrize("ridge", ["x", True, None])
def test_what_is_no_number_is_said(tmp_path: Path, rng: np.random.Generator, ridge: Any) -> None:
    adapter = planted(tmp_path, layers(14, 14, rng))
    with pytest.raises(LensError, match=f"ridge is {ridge!r}; expected 0"):
        conversion_similarity(adapter, "value", ridge=ridge)
