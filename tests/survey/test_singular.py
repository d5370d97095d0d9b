"""A W0 that has no inverse: what stands in for it is said, and where nothing does nothing is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
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


def test_what_lies_outside_w0s_rows_has_no_conversion(tmp_path: Path) -> None:
    """Of a file's float32 a little is inside them all the same, of which W0⁺ would make directions that are all one."""
    rng = np.random.default_rng(0)
    w0 = rng.standard_normal((24, 40))
    outside = np.linalg.svd(w0).Vh[24:28]  # a wide W0 leaves sixteen directions out
    shape = BertLike(layers=1, width=40, modules=("value",))
    path = shape.path(0, "value")
    write_base(tmp_path / "base", shape, {f"{path}.weight": torch.from_numpy(w0).float()})
    for k in range(4):
        a = rng.standard_normal((4, 40)) if k < 2 else outside
        if k == 3:
            a = np.concatenate([outside[:3], rng.standard_normal((1, 40))])
        name = f"base_model.model.{path}.lora"
        factors = {
            f"{name}_A.weight": torch.from_numpy(np.ascontiguousarray(a)).float(),
            f"{name}_B.weight": torch.from_numpy(rng.standard_normal((24, 4))).float(),
        }
        write_lora(tmp_path / "runs" / f"{k}", BertLike(layers=0), extra=factors)
    result = surveyed(tmp_path, "auto")
    pairs = result.table("pairs")
    found = {
        matrix: [(row.one, row.other) for row in pairs[pairs.matrix == matrix].itertuples()]
        for matrix in ("conversion A", "conversion B")
    }
    assert len(found["conversion B"]) == 6
    assert found["conversion A"] == [("0", "1"), ("0", "3"), ("1", "3")]
    assert pairs[pairs.matrix == "conversion A"].phi.max() < 0.9
    failed = result.table("failed").set_index("adapter").reason
    assert list(failed.index) == ["2", "3"]
    assert failed["2"].startswith("A lies outside what W0 spans here")
    assert failed["3"].startswith("the conversion of A is of 1 direction: 3 of 4 lie outside")


def test_part_of_a_factor_stands_beside_random_factors_of_that_part(tmp_path: Path) -> None:
    """Were it held against leading directions of whole ones, z would be −1.5: W0⁻¹ turns those towards its least."""
    rng = np.random.default_rng(0)
    u, _, vh = np.linalg.svd(rng.standard_normal((24, 64)))
    w0 = u * np.geomspace(1, 1e-2, 24) @ vh[:24]
    shape = BertLike(layers=1, width=64, modules=("value",))
    path = shape.path(0, "value")
    write_base(tmp_path / "base", shape, {f"{path}.weight": torch.from_numpy(w0).float()})
    for k in range(24):
        a = np.concatenate([rng.standard_normal((2, 64)), rng.standard_normal((6, 40)) @ vh[24:]])
        name = f"base_model.model.{path}.lora"
        factors = {
            f"{name}_A.weight": torch.from_numpy(a).float(),
            f"{name}_B.weight": torch.from_numpy(rng.standard_normal((24, 8))).float(),
        }
        write_lora(tmp_path / "runs" / f"{k}", BertLike(layers=0, rank=8), extra=factors)
    pairs = surveyed(tmp_path, "auto").table("pairs")
    z = pairs[pairs.matrix == "conversion A"].propagated_z
    assert len(z) == 276
    assert abs(z.mean()) < 0.5
