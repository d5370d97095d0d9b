import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from commands import fails, run
from typer.testing import CliRunner

from lora_lens import (
    compare,
    conversion_similarity,
    gaussian_baseline,
    load_adapter,
)
from lora_lens.cli import app


def test_similarity_json_is_the_contract(bert: BertLike, tmp_path: Path) -> None:
    asked = ("similarity", tmp_path / "lora", "--module", "value", "--rank", 4, "--draws", 7)
    every = "gaussian,propagated,mismatched,initialisation"
    result = run(*asked, "--nulls", every, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    usual = json.loads(run(*asked, "--json").stdout)["matrices"]["A"]["baselines"]
    assert list(usual) == ["gaussian", "propagated"]
    expected = conversion_similarity(load_adapter(tmp_path / "lora"), "value", 4, draws=7)
    labels = ("adapter", "base", "method", "module", "side", "i", "j", "convention")
    assert [found[key] for key in labels] == [
        str(tmp_path / "lora"), str(tmp_path / "base"), "lora", "value", "left", 4, 4, "stored",
    ]  # fmt: skip
    assert found["layers"] == [0, 1, 2]
    assert found["condition_number"] == pytest.approx(expected.condition_number)
    assert list(found["matrices"]) == ["A", "B", "BA"]
    for name, matrix in found["matrices"].items():
        np.testing.assert_allclose(matrix["phi"], expected[name].values)
        off = ~np.eye(3, dtype=bool)
        assert matrix["mean"] == pytest.approx(np.array(matrix["phi"])[off].mean())
        gaussian, propagated = matrix["baselines"]["gaussian"], matrix["baselines"]["propagated"]
        assert (gaussian["mean"], gaussian["sd"]) == pytest.approx(gaussian_baseline(24, 4))
        assert propagated["draws"] == 7
        assert np.shape(propagated["mean"]) == np.shape(propagated["sd"]) == (3, 3)
        nulls = ["gaussian", "propagated", "mismatched"] + ["initialisation"] * (name == "A")
        assert list(matrix["baselines"]) == nulls
        for null, baseline in matrix["baselines"].items():
            for statistic in ("z", "p", "p_bh", "p_max", "excess"):
                grid = baseline[statistic]
                assert [grid[k][k] for k in range(3)] == [None] * 3
                assert all(grid[l][m] is not None for l, m in zip(*np.nonzero(off), strict=True))
            assert set(baseline["of_mean"]) >= {"mean", "sd", "z", "p", "excess", "p_two_sided"}
            assert baseline["tests"] == 3
            if null in ("gaussian", "propagated"):
                np.testing.assert_allclose(
                    np.array(baseline["p"], dtype=float), expected[name].significance[null].p
                )
        assert list(matrix["absent_baselines"]) == ["initialisation"] * (name != "A")
        assert "samples" not in str(matrix["baselines"])


def test_compare_json_is_the_contract(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=8)
    result = run("compare", tmp_path / "lora", tmp_path / "other", "--rank", 3, "--json")
    found = json.loads(result.stdout)
    expected = compare(
        load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value", 3
    )
    assert (found["one"], found["other"]) == (str(tmp_path / "lora"), str(tmp_path / "other"))
    assert (found["module"], found["i"], found["j"], found["layers"]) == ("value", 3, 3, [0, 1, 2])
    assert {m: v["side"] for m, v in found["matrices"].items()} == {
        "A": "right",
        "B": "left",
        "delta": "left",
    }
    for name, matrix in found["matrices"].items():
        np.testing.assert_allclose(matrix["phi"], expected[name].values)
        assert set(matrix["baseline"]) >= {"mean", "sd"}
        for statistic in ("z", "p", "p_bh", "p_max", "excess"):
            assert np.isfinite(matrix["baseline"][statistic]).all()
            assert len(matrix["baseline"][statistic]) == 3
        assert matrix["baseline"]["draws"] == 1000


def test_inspect_json_is_the_contract(bert: BertLike, tmp_path: Path) -> None:
    found = json.loads(run("inspect", tmp_path / "lora", "--json").stdout)
    assert (found["method"], found["base"]) == ("lora", str(tmp_path / "base"))
    assert found["trainable_parameters"] == 6 * 2 * 4 * 24
    keys = "name layer module rank in_features out_features scaling frobenius_norm stable_rank effective_rank"
    assert set(found["modules"][0]) >= set(keys.split())
    assert found["left_out"] == {}


def test_similarity_table_shows_grids_and_both_baselines(bert: BertLike, tmp_path: Path) -> None:
    result = run("similarity", tmp_path / "lora", "--draws", 5)
    assert result.exit_code == 0
    for word in ("gaussian", "propagated", "i = 4", "stored", " 1.0", "value"):
        assert word in result.stdout
    explained = run("similarity", tmp_path / "lora", "--draws", 5, "--explain")
    for word in ("unrelated subspaces", "condition number"):
        assert word not in result.stdout
        assert word in explained.stdout
    assert "nan" not in result.stdout


def test_only_the_nulls_asked_for(bert: BertLike, tmp_path: Path) -> None:
    result = run("similarity", tmp_path / "lora", "--nulls", "mismatched", "--draws", 5, "--json")
    matrices = json.loads(result.stdout)["matrices"]
    assert [list(matrix["baselines"]) for matrix in matrices.values()] == [["mismatched"]] * 3
    shown = run("similarity", tmp_path / "lora", "--nulls", "mismatched", "--draws", 5)
    assert shown.exit_code == 0
    wrong = run("similarity", tmp_path / "lora", "--nulls", "gaussian,chance")
    assert wrong.exit_code == 2
    assert "chance" in wrong.stderr


def test_compare_table_is_table_3(bert: BertLike, tmp_path: Path) -> None:
    result = run("compare", tmp_path / "lora", tmp_path / "lora")
    for word in ("ΔW", "right", "left", "gaussian", "1.000", "0.167 ±"):
        assert word in result.stdout


def test_inspect_table_says_what_is_left_out(tmp_path: Path) -> None:
    name = "base_model.model.classifier.weight"
    write_lora(tmp_path / "lora", BertLike(), extra={name: random(2, 24, seed=1)})
    result = run("inspect", tmp_path / "lora")
    assert name in result.stdout
    assert "effective rank (s)" in result.stdout


def test_eighty_layers_fit_one_screen(tmp_path: Path) -> None:
    shape = BertLike(layers=80, width=8, rank=2, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    result = run("similarity", tmp_path / "lora", "--draws", 0, "--matrix", "A")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert "A, means of 8 × 8 layers" in result.stdout


@pytest.mark.parametrize("command", ["similarity", "compare", "inspect"])
def test_out_writes_every_form_whole(bert: BertLike, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    adapters = [tmp_path / "lora"] * (2 if command == "compare" else 1)
    result = run(command, *adapters, "--out", out)
    assert result.exit_code == 0, result.stderr
    stem = "inspect" if command == "inspect" else f"{command}-value"
    figure1 = (
        {f"{stem}-figure1.{ending}" for ending in ("png", "svg", "pdf")}
        if command == "similarity"
        else set()
    )
    assert {path.name for path in out.iterdir()} == figure1 | {
        f"{stem}.{ending}" for ending in ("png", "svg", "pdf", "csv", "json", "md", "tex")
    }
    assert (out / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / f"{stem}.svg").read_text()
    assert json.loads((out / f"{stem}.json").read_text())
    assert r"\begin{tabular}" in (out / f"{stem}.tex").read_text()
    assert "φ" not in (out / f"{stem}.tex").read_text()
    assert "|" in (out / f"{stem}.md").read_text()


@pytest.mark.usefixtures("blank_figures")
def test_json_with_notes_keeps_standard_output_clean(bert: BertLike, tmp_path: Path) -> None:
    result = run(
        "similarity",
        tmp_path / "lora",
        "--side",
        "right",
        "--json",
        "--draws",
        2,
        "--out",
        tmp_path / "o",
    )
    assert json.loads(result.stdout)["side"] == "right"
    assert "1 by construction" in result.stderr


def test_a_single_layer_has_no_mean_and_says_so(tmp_path: Path) -> None:
    shape = BertLike(layers=1)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    found = json.loads(run("similarity", tmp_path / "lora", "--json", "--draws", 3).stdout)
    assert found["matrices"]["A"]["mean"] is None
    assert any("one layer only" in note for note in found["notes"])
    assert run("similarity", tmp_path / "lora", "--draws", 3).exit_code == 0


def test_i_and_j_override_rank(bert: BertLike, tmp_path: Path) -> None:
    found = json.loads(
        run("similarity", tmp_path / "lora", "--rank", 3, "--j", 2, "--json", "--draws", 2).stdout
    )
    assert (found["i"], found["j"]) == (3, 2)


# Failures: one line, exit 1, nothing on standard output, nothing left


def test_bad_input_is_one_line(bert: BertLike, tmp_path: Path) -> None:
    lora = tmp_path / "lora"
    fails(run("similarity", tmp_path / "nowhere"), "not a folder")
    fails(run("similarity", tmp_path / "base"), "a whole model")
    fails(run("similarity", lora, "--module", "dense"), "it has: query, value")
    fails(run("similarity", lora, "--rank", 9), "rank 4")
    fails(run("similarity", lora, "--base", tmp_path / "none"), "none")
    fails(run("similarity", lora, "--base", lora), "holds no model.safetensors")
    fails(run("similarity", lora, "--device", "abacus"), "abacus")
    fails(run("similarity", lora, "--draws", 1), "at least 2")
    fails(run("similarity", lora, "--draws", 10**12), "fewer --draws")
    fails(run("compare", lora, tmp_path / "nowhere"), "not a folder")
    (tmp_path / "empty").mkdir()
    fails(run("inspect", tmp_path / "empty"), "no adapter_config.json")
    fails(run("export", lora, "--out", tmp_path / "x"), "is LoRA, and has no θ to make factors of")
    write_config(lora, base=None, r=4)
    fails(run("similarity", lora), "--base")


def test_export_says_where_it_wrote(bert: BertLike, tmp_path: Path) -> None:
    theta = {f"query.theta_{factor}": random(24, 4, seed=k) for k, factor in enumerate("AB")}
    write_tensors(tmp_path / "cond", theta)
    layers = [bert.path(layer, "query") for layer in range(bert.layers)]
    write_config(
        tmp_path / "cond", base=str(tmp_path / "base"), r=4, peft_type="CONDLORA",
        convention="consistent", condlora_modules={"query": layers},
    )  # fmt: skip
    result = run("export", tmp_path / "cond", "--out", tmp_path / "plain", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "adapter": str(tmp_path / "cond"), "out": str(tmp_path / "plain"),
    }  # fmt: skip
    assert load_adapter(tmp_path / "plain").method == "lora"
    fails(run("export", tmp_path / "cond", "--out", tmp_path / "plain", "--json"), "already holds")


def test_a_failure_leaves_no_output_folder(bert: BertLike, tmp_path: Path) -> None:
    fails(run("similarity", tmp_path / "lora", "--rank", 9, "--out", tmp_path / "out"), "rank 4")
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_none_of_the_folders_it_made(bert: BertLike, tmp_path: Path) -> None:
    fails(run("similarity", tmp_path / "lora", "--rank", 9, "--out", tmp_path / "a" / "b" / "c"))
    assert not (tmp_path / "a").exists()


@pytest.mark.usefixtures("blank_figures")
def test_a_folder_in_the_way_of_a_file_leaves_nothing_half_written(
    bert: BertLike, tmp_path: Path
) -> None:
    (tmp_path / "out" / "similarity-value.png").mkdir(parents=True)
    fails(run("similarity", tmp_path / "lora", "--out", tmp_path / "out"), "similarity-value.png")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["similarity-value.png"]


def test_what_nobody_foresaw_is_one_line_too(
    bert: BertLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug\nof two lines")

    monkeypatch.setattr("lora_lens.formats.load_adapter", broken)
    fails(
        run("similarity", tmp_path / "lora"), "unexpected ZeroDivisionError", "LORA_LENS_TRACEBACK"
    )
    monkeypatch.setenv("LORA_LENS_TRACEBACK", "1")
    assert isinstance(run("similarity", tmp_path / "lora").exception, ZeroDivisionError)


def test_a_terminal_without_greek_letters(bert: BertLike, tmp_path: Path) -> None:
    """φ is phi there; it was ?, and a name that is longer than its sign would have moved the columns."""
    done = subprocess.run(
        [sys.executable, "-c", "from lora_lens.cli import main; main()", "similarity", str(tmp_path / "lora"), "--draws", "20"],
        capture_output=True, check=True, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    lines = done.stdout.decode("ascii").split("\n")
    assert not any("?" in line for line in lines)
    start = next(k for k, line in enumerate(lines) if line.startswith("matrix  mean phi  null"))
    assert {len(line) for line in lines[start : start + 7]} == {len(lines[start])}
    assert " +- " in lines[start + 1]


def test_what_goes_to_a_file_has_no_blanks_at_the_ends_of_its_lines(
    bert: BertLike, tmp_path: Path
) -> None:
    for command in ("similarity", "spectrum", "inspect"):
        lines = run(command, tmp_path / "lora").stdout.split("\n")
        assert len(lines) > 5
        assert not [line for line in lines if line != line.rstrip()]


def test_a_failure_leaves_an_existing_folder_as_it_was(bert: BertLike, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    fails(run("similarity", tmp_path / "lora", "--rank", 9, "--out", out))
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_an_output_folder_that_cannot_be_written_is_found_before_computing(
    bert: BertLike, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    fails(run("similarity", tmp_path / "lora", "--out", tmp_path / "file" / "out"), "cannot write")
    fails(run("similarity", tmp_path / "lora", "--out", tmp_path / "file"), "cannot write")


def test_unknown_options_are_usage_errors(tmp_path: Path) -> None:
    assert run("similarity", tmp_path, "--sideways").exit_code == 2
    assert run("similarity", tmp_path, "--side", "top").exit_code == 2
    assert run("similarity").exit_code == 2
    assert run("frobnicate").exit_code == 2


@pytest.mark.parametrize(
    "command", ["", "similarity", "compare", "inspect", "demo", "train", "export"]
)
def test_help_teaches(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    if command not in ("", "demo"):
        assert "Example: lora-lens" in " ".join(result.stdout.split())


def test_a_whole_process_keeps_its_streams_apart(bert: BertLike, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from lora_lens.cli import main; main()", "similarity"]
        + [str(tmp_path / "lora"), "--json", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert math.isfinite(json.loads(done.stdout)["matrices"]["BA"]["mean"])
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["note:", "wrote"]


def test_singular_and_rectangular_w0_are_one_line(bert: BertLike, tmp_path: Path) -> None:
    broken = dict(bert.base)
    broken[f"{bert.path(2, 'value')}.weight"] = torch.ones(24, 24)
    write_base(tmp_path / "base", bert, broken)
    fails(run("similarity", tmp_path / "lora"), "singular in layer 2 (rank 1 of 24)", "consistent")


@pytest.mark.parametrize(
    ("said", "most"),
    [({}, 100), ({"COLUMNS": "60"}, 60), ({"COLUMNS": "180"}, 180), ({"COLUMNS": "0"}, 100), ({"COLUMNS": "wide"}, 100)],
)  # fmt: skip
def test_in_a_pipe_a_table_has_a_hundred_columns_or_as_many_as_columns_says(
    said: dict[str, str], most: int, bert: BertLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = tmp_path / ("wide" * 40)  # whatever the temporary folder's own name is
    shutil.copytree(tmp_path / "lora", wide)
    result = CliRunner(env=said).invoke(app, ["inspect", str(wide)])
    assert result.exit_code == 0
    longest = max(len(line.rstrip()) for line in result.stdout.splitlines())
    assert longest <= most
    assert longest > most - 40  # and no narrower than that
