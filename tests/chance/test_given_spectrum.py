"""Below full rank the propagated null has the layer's own singular values."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from planted import Array, orthogonal, plant, regauged, tensor
from scipy.stats import ks_2samp
from slow_routes import conditioned, slow_conversions, slow_phi

from lora_lens import Adapter, conversion_similarity, shared_subspace
from lora_lens.chance import drawn_factors
from lora_lens.chance.given_spectrum import reshaping
from lora_lens.chance.p_values import RESOLUTION


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def with_spectrum(rows: int, s: Array, rng: np.random.Generator) -> Array:
    """A uniform rows×r matrix with these singular values."""
    r = len(s)
    return (orthogonal(rows, rng)[:, :r] * s) @ orthogonal(r, rng)


@pytest.mark.parametrize("own", [5, 3])
def test_a_reshaped_gaussian_has_the_spectrum_and_the_gaussians_singular_vectors(own: int) -> None:
    rows = torch.randn(7, 5, 20, dtype=torch.float64)
    rows[:, own:] = 0
    spectrum = torch.tensor([1, 0.5, 0.1, 1e-3, 0], dtype=torch.float64)
    spectrum[own:] = 0
    made = rows.mT @ reshaping(rows, spectrum, own)
    np.testing.assert_allclose(
        np.linalg.svd(made)[1][:, :own], [spectrum[:own].tolist()] * 7, atol=1e-14
    )
    kept = spectrum > 0
    for g, m in zip(rows.mT.numpy(), made.numpy(), strict=True):
        u, _, vh = np.linalg.svd(g, full_matrices=False)
        ideal = (u * spectrum.numpy()) @ vh
        np.testing.assert_allclose(m, ideal, atol=1e-13)
    assert int(kept.sum()) == min(own, 4)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
@pytest.mark.parametrize(("side", "i", "j"), [("left", 1, 1), ("left", 2, 3), ("right", 1, 2)])
def test_the_null_is_what_adapters_with_the_same_singular_values_give(
    tmp_path: Path, rng: np.random.Generator, convention: str, side: str, i: int, j: int
) -> None:
    """Second route: A, B and ΔW drawn with each layer's singular values, and the inverse formed.

    Profiles are flat and steep by turns, and the layers' W0 favour one direction and three: any two
    spectra exchanged are found out at i = j = 1.
    """
    d, r, draws = 10, 3, 600
    flat, steep = np.ones(r), np.array([1, 1e-2, 1e-3])
    w0 = [orthogonal(d, rng) * np.where(np.arange(d) < few, 0.2, 1) for few in (1, 3)]
    factors = [
        (with_spectrum(d, b, rng), 7 * with_spectrum(d, a, rng).T)
        for b, a in ((flat, steep), (steep, flat))
    ]
    result = conversion_similarity(
        plant(tmp_path, w0, factors), "value", i=i, j=j, side=side, convention=convention,
        nulls=["propagated"], draws=draws,
    )  # fmt: skip
    spectra = {
        "A": [np.linalg.svd(a)[1] for _, a in factors],
        "B": [np.linalg.svd(b)[1][:r] for b, _ in factors],
        "BA": [np.linalg.svd(b @ a)[1][:r] for b, a in factors],
    }
    for matrix, (one, other) in spectra.items():
        drawn = []
        for _ in range(draws):
            converted = []
            for w, s in zip(w0, (one, other), strict=True):
                left, right = with_spectrum(d, s, rng), orthogonal(d, rng)[:r]
                a, b = (left.T, left) if matrix != "BA" else (right, left)
                converted.append(slow_conversions(w, a, b, convention)[matrix])
            drawn.append(slow_phi(*converted, i, j, side))
        null = result[matrix].baselines["propagated"].drawn[:, 0, 1]
        assert ks_2samp(null, drawn).pvalue > 1e-3, matrix


def test_bas_null_is_as_free_of_the_gauge_as_its_phi(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    w0 = [conditioned(12, 12, 30, rng) for _ in range(3)]
    factors = [(rng.standard_normal((12, 4)), rng.standard_normal((4, 12))) for _ in range(3)]
    one, other = (
        conversion_similarity(plant(tmp_path / name, w0, some), "value", i=2, draws=9)
        for name, some in (("one", factors), ("other", regauged(factors, rng)))
    )
    null = [result["BA"].baselines["propagated"].drawn for result in (one, other)]
    np.testing.assert_allclose(*null, atol=1e-6)
    null = [result["B"].baselines["propagated"].drawn for result in (one, other)]
    assert np.abs(null[0] - null[1]).max() > 1e-3  # as B's φ depends on it


def test_shares_below_full_rank_have_a_null_a_factor(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Under `stored` A and B are solved alike, and differ in their singular values."""
    w0 = [conditioned(12, 12, 30, rng) for _ in range(3)]
    steep, flat = 10.0 ** -np.arange(4), np.ones(4)
    factors = [(with_spectrum(12, steep, rng), with_spectrum(12, flat, rng).T) for _ in range(3)]
    adapter = plant(tmp_path, w0, factors)
    a, b = (
        shared_subspace(adapter, "value", 2, draws=99)[matrix].nulls["propagated"].share
        for matrix in "AB"
    )
    assert a.mean != b.mean
    a, b = (
        shared_subspace(adapter, "value", 4, draws=19)[matrix].nulls["propagated"].share
        for matrix in "AB"
    )
    assert a.mean == b.mean


# Calibration


SETS, AT_ONCE = 200, 10
ASKED = {"i": 1, "j": 1, "matrices": ["B"], "nulls": ["propagated"], "device": "cpu"}


class Untrained(NamedTuple):
    """An adapter of the null itself, and the means of φ in it and in the others, at i = j = 1 of r = 8."""

    first: Adapter
    means: Array


@pytest.fixture(scope="module")
def untrained() -> Iterator[Untrained]:
    """200 data sets of the null itself; W0⁻¹ favours four directions a layer, and none in two layers."""
    d, r, layers, rng = 48, 8, 4, np.random.default_rng(0)
    w0 = []
    for layer in range(layers):
        s = np.ones(d)
        s[4 * layer : 4 * layer + 4] = 1 / 5
        w0.append(orthogonal(d, rng) * s)
    spectrum = 2.0 ** -np.arange(r)
    factors = [(with_spectrum(d, spectrum, rng), rng.standard_normal((r, d))) for _ in w0]
    off = ~np.eye(layers, dtype=bool)
    with tempfile.TemporaryDirectory() as folder:
        first, several = (
            plant(Path(folder) / str(times), w0 * times, factors * times) for times in (1, AT_ONCE)
        )

        def drawn(adapter: Adapter) -> Adapter:
            value = adapter.modules["value"]
            b = np.stack([with_spectrum(d, spectrum, rng) for _ in value.layers])
            return replace(adapter, modules={"value": replace(value, b=tensor(b))})

        means = []
        for _ in range(SETS // AT_ONCE):
            many = drawn(several)  # sets one after the other, of which each has its layers
            found = conversion_similarity(many, "value", draws=0, **ASKED)["B"].values
            for start in range(0, len(found), layers):
                means.append(found[start : start + layers, start : start + layers][off].mean())
        yield Untrained(drawn(first), np.array(means))


def rejected(untrained: Untrained) -> float:
    """Share of the data sets with p of the mean at most .05."""
    first = conversion_similarity(untrained.first, "value", draws=999, **ASKED)["B"]
    off = ~np.eye(len(first.layers), dtype=bool)
    null = first.baselines["propagated"].drawn[:, off].mean(-1)

    def p(means: Array) -> Array:
        return (1 + (null >= means[:, None] - RESOLUTION).sum(-1)) / (1 + len(null))

    assert p(np.array([first.mean])) == pytest.approx(first.significance["propagated"].of_mean.p)
    assert len(untrained.means) == SETS
    return float((p(untrained.means) <= 0.05).mean())


def test_leading_directions_of_null_adapters_are_found_at_the_level(
    untrained: Untrained,
) -> None:
    assert rejected(untrained) <= 0.09  # of 200 at .05, exceeded once in 200 times


def test_gaussian_singular_values_would_find_far_too_many(
    untrained: Untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contrast: under a Gaussian's own, nearly equal ones the same data sets are found far above .05."""

    def unchanged(rows: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.eye(rows.shape[1], dtype=torch.float64).expand(len(rows), -1, -1)

    monkeypatch.setattr(drawn_factors, "reshaping", unchanged)
    assert rejected(untrained) > 0.3
