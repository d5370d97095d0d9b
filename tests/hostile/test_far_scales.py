"""α out of all proportion: what no scale changes is the same, what is larger is so, and what cannot be had is refused in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from commands import run
from numpy.testing import assert_allclose

import lora_lens as ll
from lora_lens.core.numbers.scaled import norm_of_values
from lora_lens.core.spectra.energy import rank_for_energy
from lora_lens.core.spectra.spectrum import effective_rank, stable_rank
from lora_lens.errors import LensError

SHAPE = BertLike(width=16)
FAR = (1e300, -1e160, 1e-300)
# By what no number of theirs changes.
OF_DIRECTIONS = (
    ("similarity", "{}"), ("shared", "{}"), ("outliers", "{}"), ("compare", "{}", "{other}"),
    ("matrix", "{}", "{other}"), ("grid", "{}", "--draws", "20"), ("grid", "{}", "{other}"),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = write_base(tmp_path / "base", SHAPE)
    for name, seed in (("lora", 7), ("other", 8)):
        write_lora(tmp_path / name, SHAPE, base=str(base), seed=seed, config={"lora_alpha": 1})
    return tmp_path


def scaled(folder: Path, alpha: float, **settings: Any) -> Path:
    write_config(
        folder / "lora", base=str(folder / "base"), r=SHAPE.rank, lora_alpha=alpha, **settings
    )
    return folder / "lora"


def answered(folder: Path, *words: str) -> dict[str, Any]:
    named = [word.format(folder / "lora", other=folder / "other") for word in words]
    result = run(*named, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("words", OF_DIRECTIONS, ids=" ".join)
def test_what_is_asked_of_directions_is_the_same_at_any_scale(
    words: tuple[str, ...], folder: Path
) -> None:
    scaled(folder, 1.0)
    usual = answered(folder, *words)
    for alpha in FAR:
        scaled(folder, alpha)
        assert answered(folder, *words) == usual


@pytest.mark.parametrize("alpha", FAR)
@pytest.mark.parametrize("w0", ["--w0", "--no-w0"])
def test_a_spectrum_has_its_ranks_and_its_norms_at_any_scale(
    w0: str, alpha: float, folder: Path
) -> None:
    scaled(folder, 1.0)
    usual = answered(folder, "spectrum", "{}", "--no-w0")
    scaled(folder, alpha)
    found = answered(folder, "spectrum", "{}", w0)
    for one, far in zip(usual["layers"], found["layers"], strict=True):
        for name in ("rank_90", "rank_95", "rank_99", "above_product_edge"):
            assert far[name] == one[name]
        for name in ("stable_rank", "effective_rank_s", "effective_rank_s2"):
            assert far[name] == pytest.approx(one[name], rel=1e-12)
        for name in ("frobenius_norm", "spectral_norm", "product_edge"):
            assert far[name] == pytest.approx(abs(alpha) * one[name], rel=1e-12)
        assert "tuned_edge" not in far or far["tuned_edge"] is None
    assert (w0 == "--w0") == any("W0 + ΔW of query is left out" in one for one in found["notes"])


@pytest.mark.parametrize("alpha", FAR)
@pytest.mark.parametrize("command", ["amplification", "magnitude"])
def test_what_needs_squares_of_delta_w_is_refused_in_one_line(
    command: str, alpha: float, folder: Path
) -> None:
    result = run(command, scaled(folder, alpha))
    assert result.exit_code == 1
    assert "leave the range of float64" in result.stderr
    assert "unexpected" not in result.stderr


@pytest.mark.parametrize("alpha", FAR)
def test_files_figures_and_a_report_are_made_at_any_scale(alpha: float, folder: Path) -> None:
    lora = scaled(folder, alpha)
    for command in ("inspect", "spectrum"):
        result = run(command, lora, "--out", folder / command)
        assert result.exit_code == 0, result.output
    result = run("report", lora, "-o", folder / "report.html", "--draws", "20")
    assert result.exit_code == 0, result.output


def test_the_largest_alpha_of_all(folder: Path) -> None:
    lora = scaled(folder, 1.7e308)
    with pytest.raises(LensError, match="leaves the range of float64 at s = 4.25e\\+307"):
        ll.spectrum(lora, "value", beside_w0=False)
    lora = scaled(folder, 1e307)
    result = run("spectrum", lora, "--out", folder / "out")
    assert result.exit_code == 0, result.output


def test_a_survey_of_far_scales(folder: Path) -> None:
    import pyarrow.parquet as pq

    tables = []
    for alpha in (1.0, 1e300):
        scaled(folder, alpha)
        out = folder / f"survey-{alpha}"
        assert run("survey", folder / "lora", folder / "other", "--out", out).exit_code == 0
        tables.append(
            {
                name: pq.read_table(out / f"{name}.parquet").to_pandas()
                for name in ("spectrum", "interference", "pairs")
            }
        )
    usual, far = tables
    for name in ("cosine", "sd", "z"):
        assert_allclose(far["interference"][name], usual["interference"][name], rtol=1e-6)
    assert usual["pairs"].equals(far["pairs"])
    own, theirs = (one["spectrum"].iloc[0] for one in (usual, far))
    assert theirs["frobenius_norm"] == pytest.approx(1e300 * own["frobenius_norm"], rel=1e-12)
    assert theirs["stable_rank"] == pytest.approx(own["stable_rank"], rel=1e-12)


@pytest.mark.parametrize("power", [-100, 100])
def test_where_training_began_does_not_go_by_the_size_of_the_factors(
    power: int, folder: Path
) -> None:
    tensors = {}
    for name in SHAPE.adapter:
        w0 = SHAPE.base[
            name.removeprefix("base_model.model.bert.").partition(".lora_")[0] + ".weight"
        ]
        u, s, vh = torch.linalg.svd(w0.double())
        own = vh[: SHAPE.rank] if "lora_A" in name else u[:, : SHAPE.rank] * s[: SHAPE.rank]
        tensors[name] = (own * 10.0**power).contiguous()
    write_tensors(folder / "lora", tensors)
    lora = scaled(folder, SHAPE.rank * 10.0 ** (-2 * power))
    assert any("lies along W0" in one for one in ll.amplification(lora, "value").notes)


def test_doras_delta_w_at_any_scale(folder: Path) -> None:
    magnitudes = {
        name.replace("lora_A.weight", "lora_magnitude_vector"): random(SHAPE.width, seed=3).abs()
        for name in SHAPE.adapter
        if "lora_A" in name
    }
    write_tensors(folder / "lora", {**SHAPE.adapter, **magnitudes})
    found = [
        ll.spectrum(scaled(folder, alpha, use_dora=True), "value").layers[0].singular_values
        for alpha in (1e120, 1e300)
    ]
    assert found[0][0] > 0
    assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), float("-inf"), True, "8", [8], None])
def test_an_alpha_that_is_no_finite_number_is_refused(alpha: Any, folder: Path) -> None:
    with pytest.raises(LensError, match="expected a finite number"):
        ll.load_adapter(scaled(folder, alpha))


@pytest.mark.parametrize("power", [-1000, -400, 0, 400, 1000])
def test_norms_and_ranks_of_values_of_any_size(power: int) -> None:
    s = np.array([[3.0, 2.0, 1.0], [1.0, 0.5, 0.0]])
    far = np.ldexp(s, power)
    for torchs in (False, True):
        one, other = (torch.from_numpy(x) if torchs else x for x in (s, far))
        assert (
            np.ldexp(np.asarray(norm_of_values(one)), power).tolist()
            == norm_of_values(other).tolist()
        )
        for of in (stable_rank, effective_rank):
            assert of(one).tolist() == of(other).tolist()
        assert rank_for_energy(one, 0.9).tolist() == rank_for_energy(other, 0.9).tolist()
    assert_allclose(norm_of_values(s), np.linalg.norm(s, axis=1), rtol=1e-15)
