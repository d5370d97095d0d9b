"""How often the only verdict of a survey errs where adapters have nothing in common."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import RANK, WIDTH, write_adapter

import lora_lens as ll
from lora_lens.core.robust import robust_distances
from lora_lens.survey.outlying import evened


def effective_ranks(rng: np.random.Generator, n: int, r: int, d: int) -> np.ndarray:
    """Of n products of Gaussian factors."""
    a, b = rng.standard_normal((2, n, d, r))
    s = np.linalg.svd(np.linalg.qr(b)[1] @ np.linalg.qr(a)[1].transpose(0, 2, 1), compute_uv=False)
    p = s / s.sum(1, keepdims=True)
    return np.exp(-(p * np.log(p)).sum(1))


@pytest.mark.parametrize("r", [2, 4, 8])
def test_effective_ranks_of_unrelated_adapters_are_rarely_called_far(r: int) -> None:
    """As they are, every second to every twelfth sample would have one."""
    rng, samples, n = np.random.default_rng(r), 300, 60
    found = {"as they are": 0, "evened": 0}
    for _ in range(samples):
        ranks = effective_ranks(rng, n, r, 64)
        found["as they are"] += robust_distances(ranks).p.min() * n <= 0.05
        found["evened"] += robust_distances(evened(ranks, r)).p.min() * n <= 0.05
    assert found["evened"] <= samples * 0.05 + 3 * np.sqrt(samples * 0.05)
    assert found["as they are"] > samples * 0.05 + 2 * np.sqrt(samples * 0.05)


def test_an_adapter_with_few_places_is_not_far_for_that(tmp_path: Path) -> None:
    """Its mean over them varies more."""

    modules = [f"m{k}" for k in range(12)]
    for k in range(30):
        own = modules[:1] if k < 4 else modules
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, modules=own)
    far = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"]).table("outlying")
    of_all = far[far["module"].isna()]
    assert len(of_all) == 4 * 30
    assert of_all["p_holm"].min() > 0.05
    few = of_all[of_all["adapter"].isin([str(k) for k in range(4)])]
    assert np.mean(few["z"] ** 2) < 4  # of 2 places beside means over 24, as they are, 12


def test_ranks_are_compared_among_adapters_of_one_rank(tmp_path: Path) -> None:
    """Beside others of its own effective rank one of four times the rank was far for what is missing to the rank."""

    def of(s: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = np.random.default_rng(seed).standard_normal((2, 64, len(s)))
        return np.linalg.qr(a)[0].T, np.linalg.qr(b)[0] * s

    rng = np.random.default_rng(0)
    for k in range(12):
        own = of(np.linspace(1, 0.6, 8) * np.exp(0.1 * rng.standard_normal(8)), k)
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, own=own: own, rank=8, width=64)
    wide = of(np.append(np.linspace(1, 0.6, 8), np.full(24, 1e-5)), 99)
    write_adapter(tmp_path / "runs" / "wide", lambda *_: wide, rank=32, width=64)
    few = of(np.append([1.0, 0.9], np.full(6, 1e-9)), 98)
    write_adapter(tmp_path / "runs" / "few", lambda *_: few, rank=8, width=64)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    ranks = found.table("outlying").query("quantity == 'effective rank'")
    assert ranks[ranks["adapter"] == "wide"]["z"].isna().all()
    assert set(ranks[ranks["p_holm"] <= 0.05]["adapter"]) == {"few"}


@pytest.mark.parametrize("norm", [None, 1.0])  # of which the logarithm is 0
def test_gauges_of_one_adapter_are_not_far_from_each_other(
    tmp_path: Path, norm: float | None
) -> None:
    """What sets them apart is float32's rounding."""
    rng = np.random.default_rng(3 if norm is None else 2)
    a, b = rng.standard_normal((RANK, WIDTH)), rng.standard_normal((WIDTH, RANK))
    if norm is not None:
        b *= norm / (2 * np.linalg.norm(b @ a))  # α/r is 2
    turns = [rng.standard_normal((RANK, RANK)) + 3 * np.eye(RANK) for _ in range(14)]
    for k, turn in enumerate(turns):
        made = (turn @ a, b @ np.linalg.inv(turn))
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, made=made: made, seed=k)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    assert "far from the others" not in result.summary


def test_too_small_a_norm_is_no_error(tmp_path: Path) -> None:
    for k in range(6):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k)
    tiny = (np.full((RANK, WIDTH), 1e-30), np.full((WIDTH, RANK), 1e-30))
    write_adapter(tmp_path / "runs" / "tiny", lambda *_: tiny, seed=9)
    assert ll.survey(tmp_path / "runs", tmp_path / "out").adapters == 7
