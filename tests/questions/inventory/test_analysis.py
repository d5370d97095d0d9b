import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_lora

from lora_lens import LensError, inspect, load_adapter, spectrum
from lora_lens.errors import RankError
from lora_lens.questions.inventory.tables import tables
from lora_lens.subspaces.delta import trained_singular
from lora_lens.subspaces.device import select_device


def test_numbers_equal_the_dense_product(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, config={"lora_alpha": 12, "use_rslora": True})
    result = inspect(load_adapter(tmp_path / "lora"))
    assert len(result.modules) == 6
    assert (
        "rank 4 on 6 matrices of 2 modules, " in result.summary
    )  # these were “6 layers”, of which there are 3
    assert result.trainable_parameters == 6 * 2 * 4 * 24
    for summary in result.modules:
        name = f"base_model.model.{summary.name}"
        a, b = (shape.adapter[f"{name}.lora_{f}.weight"].double().numpy() for f in "AB")
        s = np.linalg.svd(12 / np.sqrt(4) * b @ a)[1][:4]
        assert summary.scaling == pytest.approx(6)
        assert summary.frobenius_norm == pytest.approx(np.linalg.norm(6 * b @ a))
        assert summary.stable_rank == pytest.approx((s**2).sum() / s[0] ** 2)
        share = s / s.sum()
        assert summary.effective_rank == pytest.approx(np.exp(-(share * np.log(share)).sum()))
        np.testing.assert_allclose(summary.singular_values, s, rtol=1e-9)


def test_a_negative_alpha_turns_no_singular_value(tmp_path: Path) -> None:
    for sign, name in ((1, "plus"), (-1, "minus")):
        write_lora(tmp_path / name, BertLike(), config={"lora_alpha": sign * 8})
    plus, minus = (inspect(load_adapter(tmp_path / name)) for name in ("plus", "minus"))
    for one, other in zip(plus.modules, minus.modules, strict=True):
        assert one.scaling == -other.scaling
        assert replace(other, scaling=one.scaling) == one


def test_an_untrained_adapter_has_norm_zero_and_no_spectral_rank(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    write_lora(tmp_path / "lora", shape)
    zero = {n: t * 0 if "lora_B" in n else t for n, t in shape.adapter.items()}
    write_lora(tmp_path / "zero", BertLike(layers=0), extra=zero)
    (summary,) = inspect(load_adapter(tmp_path / "zero")).modules
    assert (summary.frobenius_norm, summary.stable_rank, summary.effective_rank) == (0, None, None)


def test_factors_that_cancel_have_norm_zero_as_in_spectrum(tmp_path: Path) -> None:
    """B·A is 1e-14 of its factors: what ranks rounding has, `inspect` said."""
    shape = BertLike(layers=1, modules=("value",))
    write_lora(tmp_path / "lora", shape)
    half = {n: t[:2] if "lora_A" in n else t[:, :2] for n, t in shape.adapter.items()}
    signs = {n: -1.0 if "lora_B" in n else 1.0 for n in half}
    twice = {n: torch.cat([t, t * signs[n]], dim=int("lora_B" in n)) for n, t in half.items()}
    write_lora(tmp_path / "gone", BertLike(layers=0), extra=twice)
    adapter = load_adapter(tmp_path / "gone")
    (summary,) = inspect(adapter).modules
    assert (summary.frobenius_norm, summary.stable_rank, summary.effective_rank) == (0, None, None)
    assert summary.singular_values == (0.0,) * 4
    found = spectrum(adapter, "value")
    assert found.layers[0].frobenius_norm == 0
    assert "or its factors cancel" in found.summary
    with pytest.raises(RankError, match="zero in layer 0: its factors cancel"):
        trained_singular(adapter.modules["value"], 0, select_device("cpu", "float64"))


def test_what_is_left_out_is_listed_with_why(tmp_path: Path) -> None:
    extra = {"base_model.model.classifier.weight": random(2, 24, seed=1)}
    said = {"modules_to_save": ["classifier"]}
    write_lora(tmp_path / "lora", BertLike(), extra=extra, config=said)
    assert inspect(load_adapter(tmp_path / "lora")).left_out == {
        "base_model.model.classifier.weight": (
            "trained in full (modules_to_save); its ΔW needs the base"
        )
    }


def test_a_left_out_classifier_alone_is_called_the_tasks_head(tmp_path: Path) -> None:
    head = {f"base_model.model.classifier.{of}": random(2, 24, seed=1) for of in ("a", "b")}
    said = {"modules_to_save": ["classifier"]}
    write_lora(tmp_path / "lora", BertLike(), extra=head, config=said)
    assert ", 1,152 parameters; 2 of 14 tensors are left out: the task's head." in (
        inspect(load_adapter(tmp_path / "lora")).summary
    )
    more = head | {"base_model.model.encoder.strange": random(2, 24, seed=1)}
    write_lora(tmp_path / "more", BertLike(), extra=more, config=said)
    assert "; 3 of 15 tensors are left out." in inspect(load_adapter(tmp_path / "more")).summary


@pytest.mark.parametrize("alpha", [1e150, 1e250, 1e-200, 1e290])
def test_a_scale_of_any_size_is_right_or_refused(alpha: float, tmp_path: Path) -> None:
    shape = BertLike(layers=1)
    write_lora(tmp_path / "usual", shape, config={"lora_alpha": 1.0})
    write_lora(tmp_path / "odd", shape, config={"lora_alpha": alpha})
    usual = inspect(load_adapter(tmp_path / "usual"))
    found = inspect(load_adapter(tmp_path / "odd"))
    for one, other in zip(found.modules, usual.modules, strict=True):
        np.testing.assert_allclose(one.frobenius_norm / alpha, other.frobenius_norm, rtol=1e-12)
        np.testing.assert_allclose(one.stable_rank, other.stable_rank, rtol=1e-12)
        np.testing.assert_allclose(one.effective_rank, other.effective_rank, rtol=1e-12)


def test_a_scale_beyond_float64_is_refused_by_name(tmp_path: Path) -> None:
    write_lora(tmp_path, BertLike(layers=1, rank=1), config={"lora_alpha": 1.7e308})
    with pytest.raises(LensError, match=r"ΔW of .*query leaves the range of float64"):
        inspect(load_adapter(tmp_path))


def test_what_is_left_out_for_one_reason_is_a_few_lines(tmp_path: Path) -> None:
    extra = {f"layers.{k}.wq.weight": torch.ones(24, 24) for k in range(20)}
    result = inspect(load_adapter(write_lora(tmp_path, BertLike(), extra=extra)))
    *_, table = tables(result)
    assert (len(result.left_out), len(table.rows), table.rows[-1][0]) == (20, 7, "and 14 more")


def test_what_was_trained_in_full_alone_is_saved_without_a_figure(tmp_path: Path) -> None:
    """Its rows have no rank and no norm, for its ΔW is not read, and there is no singular value to draw."""
    write_lora(tmp_path / "lora", BertLike())
    adapter = load_adapter(tmp_path / "lora")
    found = inspect(replace(adapter, modules={}, dense=dict(adapter.modules)))
    names = found.save(tmp_path / "out")
    assert names == [f"inspect.{ending}" for ending in ("json", "md", "tex", "csv")]
    lines = list(
        csv.DictReader((tmp_path / "out" / "inspect.csv").read_text(encoding="utf-8").splitlines())
    )
    assert [
        (one["name"], one["in_features"], one["out_features"], one["rank"], one["matrix"])
        for one in lines
    ] == [(one.name, str(one.in_features), str(one.out_features), "", "ΔW") for one in found.dense]
    both = inspect(replace(adapter, dense=dict(adapter.modules))).rows()
    assert both[: len(found.dense)] == inspect(adapter).rows()
    assert both[len(found.dense) :] == found.rows()
    assert list(found.rows()[0]) == list(inspect(adapter).rows()[0])
    assert "Trained in full" in (tmp_path / "out" / "inspect.md").read_text(encoding="utf-8")
    with pytest.raises(LensError, match="nothing here is drawn"):
        found.plot()
