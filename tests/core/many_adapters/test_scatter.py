"""Energies by direction, as a matrix and as the rows that it is made of, beside dense ΔW."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import orthogonal
from torch import Tensor

from lora_lens.core.many_adapters.scatter import ScatterMatrix, ScatterRows, WholeScatter

D, OUT = 20, 9


def made(count: int, rank: int, seed: int) -> tuple[list[np.ndarray], Tensor]:
    """ΔW of norm 1, and their right singular vectors, as long as their singular values."""
    rng = np.random.default_rng(seed)
    deltas, rows = [], []
    for _ in range(count):
        s = rng.uniform(0.5, 1, rank)
        s /= np.linalg.norm(s)
        u, v = orthogonal(OUT, rng)[:, :rank], orthogonal(D, rng)[:, :rank]
        deltas.append(u * s @ v.T)
        rows.append(s[:, None] * v.T)
    return deltas, torch.from_numpy(np.concatenate(rows))


@pytest.mark.parametrize(("count", "rank", "most"), [(3, 2, 4), (3, 2, 12), (8, 3, 4), (10, 2, 4)])
@pytest.mark.parametrize("centred", [False, True])
def test_rows_and_matrix_say_what_dense_changes_have(
    count: int, rank: int, most: int, *, centred: bool
) -> None:
    deltas, rows = made(count, rank, seed=count)
    total = torch.from_numpy(sum(deltas))
    if centred:
        mean = sum(deltas) / count
        deltas = [delta - mean for delta in deltas]
    dense = sum(delta.T @ delta for delta in deltas)
    values, vectors = np.linalg.eigh(dense)
    asked = orthogonal(D, np.random.default_rng(1))[:, :3]
    kinds: list[WholeScatter] = [ScatterMatrix(rows.mT @ rows, count), ScatterRows(rows, count)]
    for whole in kinds:
        found = whole.beside(total) if centred else whole
        assert found.count == count
        assert found.energy == pytest.approx(np.trace(dense), rel=1e-12)
        along = np.linalg.norm(np.concatenate(deltas) @ asked, axis=0) ** 2
        np.testing.assert_allclose(found.along(torch.from_numpy(asked)), along, rtol=1e-11)
        best = found.best(most)
        assert best.shape == (D, most)
        np.testing.assert_allclose(best.mT @ best, np.eye(most), atol=1e-12)
        there = values[::-1][:most] > 1e-9
        np.testing.assert_allclose(found.along(best)[there], values[::-1][:most][there], rtol=1e-10)
        cosines = np.sum(vectors[:, ::-1][:, :most] * best.numpy(), axis=0)[there]
        np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-8)


def test_few_rows_are_asked_in_what_they_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is what they are kept for: no matrix of the side's width is decomposed."""
    _, rows = made(3, 2, seed=0)
    widths = []
    best = ScatterMatrix.best
    monkeypatch.setattr(
        ScatterMatrix, "best", lambda self, most: widths.append(len(self.gram)) or best(self, most)
    )
    whole = ScatterRows(rows, 3)
    whole.best(4)
    whole.beside(torch.zeros(OUT, D, dtype=torch.float64)).best(6)
    whole.best(7)
    assert widths == [6, 6, D]
