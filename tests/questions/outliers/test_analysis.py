"""The coordinates that conversions hold: the known ones, planted ones, and none where none stand apart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from noise import Kind, noise_adapters
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.questions.outliers.figures import crowd_panel, held_panel
from lora_lens.questions.outliers.result import LEVEL
from lora_lens.show.figure import Level


def test_the_known_coordinates_of_a_real_base_are_found_unaided() -> None:
    found = ll.outliers(ll.load_adapter(ll.demo_adapter("lora")), "value", convention="stored")
    assert [one.coordinate for one in found.coordinates] == [99, 223]
    assert found.before.mean == pytest.approx(0.056, abs=0.003)
    assert found.after.mean == pytest.approx(0.033, abs=0.003)
    assert found.before.deep == pytest.approx(0.075, abs=0.005)
    assert found.after.deep == pytest.approx(0.051, abs=0.005)
    assert found.gaussian[0] == pytest.approx(8 / 384)
    assert 0.6 < found.explained < 0.7
    least = min(float(one.column_norm.min()) for one in found.coordinates)
    assert least == pytest.approx(0.10, abs=0.01)
    assert (
        "99 and 223 have nearly empty columns in W0 in 4 to 5 of 6 layers (down to 0.10 of the median norm), so random factors"
        in found.summary
    )
    assert "times as much as by chance in the mean over the layers;" in found.summary


@pytest.mark.parametrize("kind", ["uniform", "leading"])
def test_noise_of_a_real_base_is_given_no_verdict(kind: Kind) -> None:
    (adapter,) = noise_adapters(kind, 1)
    found = ll.outliers(adapter, "value", convention="stored", draws=60)
    assert found.findings == ()
    assert found.before.test is not None
    assert (abs(found.before.test.z) < 4) is (kind == "uniform")
    assert f"this adapter's conversions have {found.before.observed:.3f}" in found.summary
    assert (len(found.beyond) > 50) is (kind == "leading")  # numbers, of which nothing is said
    assert " alike" not in found.summary
    assert "beyond" not in found.summary


def test_what_is_observed_in_json_is_the_adapters_own_and_not_its_nulls(tmp_path) -> None:
    adapter = planted(tmp_path, (7, 50))
    found = ll.outliers(adapter, "value", draws=20)
    for alike in (found.before, found.after):
        told, test = alike.to_dict(), alike.test
        assert test is not None
        assert told["observed"]["mean"] == alike.observed
        assert told["propagated"]["mean"] == pytest.approx(test.mean)
        assert alike.observed != pytest.approx(test.mean)
        assert test.z == pytest.approx((told["observed"]["mean"] - test.mean) / test.sd)
    grid = ll.conversion_similarity(adapter, "value", matrices=("B",), draws=0)["B"]
    assert found.before.observed == pytest.approx(grid.mean)


def planted(tmp_path, coordinates: tuple[int, ...], seed: int = 0, scale: float = 0.02):
    """Gaussian W0 of four layers, with nearly empty columns in all of them."""
    shape = BertLike(layers=4, width=96, modules=("value",))
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(4):
        w = torch.randn(96, 96, generator=generator)
        w[:, list(coordinates)] *= scale
        tensors[f"{shape.path(layer, 'value')}.weight"] = w
    write_base(tmp_path / "base", shape, tensors)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    return ll.load_adapter(tmp_path / "lora")


def test_planted_columns_are_found_and_no_others(tmp_path) -> None:
    found = ll.outliers(planted(tmp_path, (7, 50)), "value", draws=20)
    assert {one.coordinate for one in found.coordinates} == {7, 50}
    for one in found.coordinates:
        assert one.p <= LEVEL
        assert float(one.propagated_share.mean()) > 10 * found.by_chance
    assert found.after.mean < found.before.mean


def test_more_than_a_few_are_named_all_and_said_in_few_words(tmp_path) -> None:
    """Of 96 columns the gaps of 8 were looked at, and 12 empty ones named none."""
    columns = tuple(range(3, 90, 5))
    found = ll.outliers(planted(tmp_path, columns), "value", draws=5)
    assert {one.coordinate for one in found.coordinates} == set(columns)
    said = found.to_dict()["summary"]
    assert "and 6 more have nearly empty columns in W0 in all 4 layers (down to 0.0" in said
    assert "with those 18 columns at the median norm" in said


def test_of_one_column_that_column_is_said(tmp_path) -> None:
    said = ll.outliers(planted(tmp_path, (7,)), "value", draws=5).to_dict()["summary"]
    assert "input coordinate 7 has a nearly empty column" in said
    assert "with that column at the median norm" in said
    assert "of the excess is due to it; this adapter" in said


@pytest.mark.parametrize(
    ("norms", "said"),
    [
        (
            [[0.1, 0.2, 1.1, 0.9], [0.3, 1.2, 1.2, 1.2]],
            "have nearly empty columns in W0 in 1 to 2 of 4 layers (down to 0.10 of the median norm), so",
        ),
        (
            [[0.1, 0.2, 1.1, 0.9], [0.6, 0.7, 0.8, 1.2]],
            "have short columns in W0 in 3 of 4 layers (down to 0.10 of the median norm), that of 7 nearly empty in 2 of 4 layers, so",
        ),
        (
            [[0.6, 0.7, 1.1, 1.1], [0.6, 0.7, 0.8, 0.9]],
            "have short columns in W0 in 2 to 4 of 4 layers (down to 0.60 of the median norm), so",
        ),
    ],
)
def test_it_is_said_which_columns_are_nearly_empty_and_in_how_many_layers(
    tmp_path: Path, norms: list[list[float]], said: str
) -> None:
    """One empty column of one layer made all named ones "nearly empty"."""
    found = ll.outliers(planted(tmp_path, (7, 50)), "value", draws=5)
    named = {one.coordinate: one for one in found.coordinates}
    candidates = tuple(
        replace(named[at], column_norm=np.array(each))
        for at, each in zip((7, 50), norms, strict=True)
    )
    assert f"7 and 50 {said}" in replace(found, candidates=candidates).summary


def test_of_one_layer_nothing_is_said_of_layers(tmp_path: Path) -> None:
    shape = BertLike(layers=1, width=96, modules=("value",))
    w0 = random(96, 96, seed=0)
    w0[:, 7] *= 0.02
    base = write_base(tmp_path / "base", shape, {f"{shape.path(0, 'value')}.weight": w0})
    found = ll.outliers(str(base), "value", draws=5)
    (one,) = found.coordinates
    said = f"input coordinate 7 has a nearly empty column in W0 ({one.column_norm[0]:.2f} of the median norm), so random"
    assert said in found.summary
    assert "times as much as by chance; there is one layer only" in found.summary


def test_a_wide_w0_hides_a_column_that_outweighs_the_rest(tmp_path) -> None:
    """By Sherman and Morrison row k of W⁺ goes as c/(1 + c²h) with the column's length c: first up, and then down."""
    shape = BertLike(layers=4, width=48)
    tensors = {
        f"{shape.path(layer, 'value')}.weight": random(24, 48, seed=layer) for layer in range(4)
    }
    for w in tensors.values():
        w[:, 7] *= 20
    found = ll.outliers(str(write_base(tmp_path / "base", shape, tensors)), "value", draws=20)
    (one,) = found.coordinates
    times = one.propagated_share.mean() / found.by_chance
    assert times < 0.2
    assert "input coordinate 7 has a large column in W0 in all 4 layers (up to" in found.summary
    said = f"norm), but random factors that go through W0⁺ hold it {times:.1f} times"
    assert said in found.summary


def test_a_short_column_of_a_wide_w0_is_not_said_to_be_like_the_others(tmp_path) -> None:
    """The pseudo-inverse shrinks it, so that large ones are looked for, and the sentence speaks of these alone."""
    shape = BertLike(layers=4, width=48)
    tensors = {
        f"{shape.path(layer, 'value')}.weight": random(24, 48, seed=layer) for layer in range(4)
    }
    for w in tensors.values():
        w[:, 7] /= 20
    found = ll.outliers(str(write_base(tmp_path / "base", shape, tensors)), "value", draws=5)
    assert found.coordinates == ()
    said = "no input coordinate stands apart from the others by a large column of W0 (at"
    assert said in found.summary


@pytest.mark.filterwarnings("ignore::lora_lens.RankDeficientWarning")
def test_many_zero_columns_are_said_in_few_words(tmp_path) -> None:
    found = ll.outliers(
        planted(tmp_path, tuple(range(14)), scale=0.0), "value", draws=5, convention="consistent"
    )
    assert len(found.coordinates) == 14
    (note,) = (note for note in found.notes if "W0 is zero" in note)
    assert "and 2 more of some layer" in note
    assert "they are named" in note


def test_of_a_third_none_is_told_from_the_rest_and_that_is_said(tmp_path) -> None:
    found = ll.outliers(planted(tmp_path, tuple(range(32))), "value", draws=5)
    assert not found.coordinates
    (note,) = (note for note in found.notes if note.startswith("more than 23 of 96 columns"))
    assert "nearly empty as they are" in note


def test_gaussian_weights_have_none(tmp_path) -> None:
    named = 0
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        named += bool(ll.outliers(planted(folder, (), seed), "value", draws=2).coordinates)
    assert named <= 1


def test_json_has_the_contract(tmp_path) -> None:
    planted(tmp_path, (7,))
    done = CliRunner().invoke(app, ["outliers", str(tmp_path / "lora"), "--draws", "20", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["module"] == "value"
    assert found["layers"] == [0, 1, 2, 3]
    (one,) = found["coordinates"]
    assert one["coordinate"] == 7
    assert len(one["column_norm"]) == len(one["share"]) == 4
    assert 0 < one["explains"] <= 1.1
    assert np.isfinite(found["explained"])


def test_an_adapters_file_is_no_base(tmp_path, monkeypatch) -> None:
    adapter = planted(tmp_path, (7,))
    asked = ll.outliers(adapter, "value", draws=5)
    file = tmp_path / "lora" / "adapter_model.safetensors"
    base = tmp_path / "base"
    found = ll.outliers(file, "value", draws=5, base=base)
    assert [one.coordinate for one in found.coordinates] == [7]
    assert found.adapter == str(file)
    assert found.before == asked.before
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ll.outliers("~/lora", "value", draws=5).before == asked.before
    assert ll.outliers(base / "model.safetensors", "value", untrained=4, draws=5).adapter is None
    with pytest.raises(ll.LensError, match="is a base model by itself, beside which another"):
        ll.outliers(base, "value", draws=5, base=base)
    with pytest.raises(ll.LensError, match="nor is it a base model"):
        ll.outliers(tmp_path / "nothing", "value", draws=5)


def test_a_base_alone_is_asked_with_untrained_factors(tmp_path) -> None:
    planted(tmp_path, (7,))
    done = CliRunner().invoke(
        app, ["outliers", str(tmp_path / "base"), "--untrained", "4", "--draws", "20", "--json"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["adapter"] is None
    assert found["rank"] == 4
    assert [one["coordinate"] for one in found["coordinates"]] == [7]
    drawn = ll.outliers(ll.open_base(tmp_path / "base"), untrained=4, draws=20)
    assert ll.outliers(tmp_path / "base", untrained=4, draws=20) == drawn
    assert ll.outliers(str(tmp_path / "base"), untrained=4, draws=20) == drawn
    for one in (crowd_panel(drawn), held_panel(drawn)):  # one line, one meaning
        assert [mark.dash for mark in one.marks if isinstance(mark, Level)] == ["dash"]
    panel = held_panel(drawn)
    assert "dotted" not in panel.title  # theirs is the line of random factors
    assert not [mark for mark in panel.marks if getattr(mark, "dash", "") == "dot"]
