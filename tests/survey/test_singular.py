"""A W0 that has no inverse: what stands in for it is said, and where nothing does nothing is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora
from safetensors.numpy import load_file
from slow_routes import slow_phi

import lora_lens as ll

BROKEN = "value 1"


@pytest.fixture
def shape(tmp_path: Path) -> BertLike:
    """Four adapters of two layers; a row of the second one's W0 is zero."""
    shape = BertLike(layers=2, modules=("value",))
    write_base(tmp_path / "base", shape)
    broken = {name: w0.clone() for name, w0 in shape.base.items()}
    broken[f"{shape.path(1, 'value')}.weight"][3] = 0
    write_base(tmp_path / "base", shape, broken)
    for k in range(4):
        write_lora(tmp_path / "runs" / f"{k}", shape, seed=k + 1)
    return shape


def surveyed(folder: Path, convention: ll.ConventionChoice) -> ll.SurveyResult:
    return ll.survey(
        folder / "runs", folder / "out", questions=["conversions"], convention=convention, base=str(folder / "base")
    )  # fmt: skip


def rows(result: ll.SurveyResult, layer: int) -> list[dict[str, object]]:
    return [row for row in result.table("places").to_dict("records") if row["layer"] == layer]


@pytest.mark.parametrize("convention", ["auto", "stored"])
def test_stored_has_no_conversions_of_it_and_says_so(
    shape: BertLike, tmp_path: Path, convention: ll.ConventionChoice
) -> None:
    result = surveyed(tmp_path, convention)
    assert [row["matrix"] for row in rows(result, 0)] == ["conversion A", "conversion B"]
    assert not rows(result, 1)
    ((where, why),) = result.failed
    assert where == BROKEN
    assert "singular (rank 23 of 24 under the cut-off 1.2e-07·σ_max)" in why
    assert "consistent" in why
    assert {one["places"] for one in result.table("pairs").to_dict("records")} == {1}


def test_consistent_takes_the_pseudo_inverse_and_says_so(shape: BertLike, tmp_path: Path) -> None:
    result = surveyed(tmp_path, "consistent")
    assert not result.failed
    (said,) = [note for note in result.notes if "Moore-Penrose" in note]
    assert said.startswith("W0 of value is singular in layer 1 (rank 23 of 24 ")
    w0 = shape.base[f"{shape.path(1, 'value')}.weight"].double().numpy()
    through = np.linalg.pinv(w0, rcond=2**-23)
    name = f"base_model.model.bert.{shape.path(1, 'value')}.lora_{{}}.weight"
    files = [load_file(tmp_path / "runs" / f"{k}" / "adapter_model.safetensors") for k in range(4)]
    for row, found in zip(
        rows(result, 1),
        (
            [through.T @ file[name.format("A")].T.astype(float) for file in files],
            [through @ file[name.format("B")].astype(float) for file in files],
        ),
        strict=True,
    ):
        dense = [slow_phi(found[i], found[j], 4, 4) for i in range(4) for j in range(i)]
        assert row["phi"] == pytest.approx(np.mean(dense), abs=1e-6)


def test_whole_w0_are_not_spoken_of(tmp_path: Path) -> None:
    shape = BertLike(layers=2, modules=("value",))
    write_base(tmp_path / "base", shape)
    for k in range(4):
        write_lora(tmp_path / "runs" / f"{k}", shape, seed=k + 1)
    for convention in ("stored", "consistent"):
        result = surveyed(tmp_path, convention)
        assert not result.failed
        assert not [note for note in result.notes if "singular" in note]
