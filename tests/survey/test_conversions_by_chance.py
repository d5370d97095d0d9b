"""Below the adapters' rank conversions of chance are of factors with singular values like the adapters' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base
from made_runs import LAYERS, path_of, write_adapter
from slow_routes import conditioned, slow_phi

import lora_lens as ll
from lora_lens.survey.questions.conversions_by_chance import ConversionsByChance, drawn

WIDTH, RANK = 32, 6


def made(seed: int, layer: int, _: str) -> tuple[np.ndarray, np.ndarray]:
    """Unrelated factors, their singular values as a Gaussian has them."""
    rng = np.random.default_rng([seed, layer])
    return rng.standard_normal((RANK, WIDTH)), rng.standard_normal((WIDTH, RANK))


@pytest.mark.parametrize("rank", [1, 2, None])
def test_unrelated_adapters_are_no_family_whatever_the_rank(
    tmp_path: Path, rank: int | None
) -> None:
    rng = np.random.default_rng(4)
    w0 = {
        f"{path_of(layer, 'value')}.weight": torch.from_numpy(conditioned(WIDTH, WIDTH, 30, rng))
        for layer in range(LAYERS)
    }
    write_base(tmp_path / "base", BertLike(), w0)
    for k in range(12):
        write_adapter(tmp_path / "runs" / f"{k}", made, seed=k, rank=RANK, modules=("value",))
    result = ll.survey(
        tmp_path / "runs", tmp_path / "out", questions=["conversions"], base=tmp_path / "base", rank=rank
    )  # fmt: skip
    for _, rows in result.table("pairs").groupby("matrix"):
        assert len(rows) == 66
        assert abs(rows["propagated_z"].mean()) < 0.6
        assert 0.7 < rows["propagated_z"].std() < 1.4
    gauge = [note for note in result.notes if "gauge" in note]
    assert len(gauge) == (rank is not None)
    assert all("φ of conversions of A and of those of B depends" in note for note in gauge)
    assert not any(of["clusters"] for of in result.to_dict()["clusters"].values())


def test_steep_factors_are_held_against_steep_ones() -> None:
    """Second route: each pair's own singular values, through W0⁻¹ one draw after the other."""
    d, r, k = 24, 4, 2
    rng = np.random.default_rng(0)
    w0 = conditioned(d, d, 30, rng)
    spectra = [np.ones(r), np.array([1, 0.3, 0.1, 0.03])]

    def factor(s: np.ndarray) -> np.ndarray:
        return np.linalg.qr(rng.standard_normal((d, r)))[0] @ np.diag(s) @ np.linalg.qr(rng.standard_normal((r, r)))[0]  # fmt: skip

    chance = ConversionsByChance()
    for s in spectra:
        chance.add(torch.from_numpy(factor(s)), r, k)
    chance.add(torch.from_numpy(factor(spectra[0])), r, r)  # a whole span
    chance.add(torch.from_numpy(factor(spectra[0])), r, 0)  # and none
    assert chance.columns == r
    rows = torch.randn(
        drawn(r), r, d, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    chance.draw(rows, torch.linalg.solve(torch.from_numpy(w0), rows.mT))
    found = chance.moments(range(4), range(4))
    for m in range(2):
        for n in range(2):
            dense = [
                slow_phi(*(np.linalg.solve(w0, factor(spectra[l])) for l in (m, n)), k, k)
                for _ in range(600)
            ]
            off = (
                4 * np.std(dense) * np.sqrt(1 / 600 + 2 / drawn(r))
            )  # pairs of few draws hang together
            assert abs(float(found.mean[m, n]) - np.mean(dense)) < off
            assert float(found.sd[m, n]) == pytest.approx(np.std(dense), rel=0.25)
    assert float(found.mean[1, 1] / found.mean[0, 0]) < 0.85  # no one null would do for both
    assert bool(found.mean.isnan()[3].all())


def test_kinds_hang_on_neither_the_adapters_order_nor_their_norms() -> None:
    rng = np.random.default_rng(2)
    factors = [rng.standard_normal((12, 3)) * [1, 0.1 * (1 + m % 5), 0.01] for m in range(20)]
    rows = torch.randn(drawn(3), 3, 12, dtype=torch.float64)

    def mean(order: list[int], times: float = 1.0) -> torch.Tensor:
        chance = ConversionsByChance()
        for m in order:
            chance.add(torch.from_numpy(factors[m] * times**m), 3, 1)
        chance.draw(rows, rows.mT)
        return chance.moments(range(20), range(20)).mean

    turned = list(reversed(range(20)))
    assert torch.equal(mean(turned), mean(list(range(20)))[turned][:, turned])
    assert torch.equal(mean(turned, 4.0), mean(turned))  # powers of 2, which round nothing


def test_two_that_span_all_there_is_do_not_vary() -> None:
    chance = ConversionsByChance()
    for _ in range(2):
        chance.add(torch.eye(6, dtype=torch.float64), 6, 6)
    rows = torch.randn(
        drawn(6), 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    chance.draw(rows, rows.mT)
    mean, sd = chance.moments(range(2), range(2))
    assert (mean == 1).all()
    assert (sd == 0).all()
