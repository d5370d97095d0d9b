"""Arms: methods under settings of their own, run, resumed and tabulated side by side."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from glue_folder import write_rte
from tiny_base import write_tiny_base
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.errors import SettingsError
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.runs.steps import plan

ARMS = """
[arms.own]
method = "condlora"
[arms.shuffled]
method = "condlora"
source = "shuffled"
[arms.gaussian]
method = "condlora"
source = "gaussian"
[arms.lora1]
method = "lora"
rank = 1
alpha = 1
[arms.head-alone]
method = "head-alone"
"""
NAMES = ("own", "shuffled", "gaussian", "lora1", "head-alone")


def written(folder: Path, text: str) -> str:
    (folder / "x.toml").write_text('name = "x"\nbase = "b"\n' + text)
    return str(folder / "x.toml")


def reproduced(folder: Path, *more: str) -> Any:
    command = ["reproduce", str(folder / "small.toml"), "--out", str(folder / "out"), "--cpu"]
    return CliRunner().invoke(app, [*command, *more])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`reproduce arms-minilm` cut to seconds."""
    folder = tmp_path_factory.mktemp("arms")
    write_rte(folder / "glue", train=40)
    base = write_tiny_base(folder / "base")
    (folder / "small.toml").write_text(
        f"""
        name = "small"
        base = "{base}"
        data = "{folder / "glue"}"
        seeds = [0, 1]
        {ARMS}
        [training]
        epochs = 1
        max_length = 16
        rank = 2
        [tasks.rte]
        [unused_rows]
        rows = 6
        seed = 3
        [search]
        trials = 1
        [longer]
        seeds = [0]
        [equivalence]
        draws = 100
        """
    )
    result = reproduced(folder)
    assert result.exit_code == 0, result.stderr
    return folder


def run_of(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "runs" / name / "run.json").read_text())
    return found


def test_every_arm_has_a_search_and_its_runs(done: Path) -> None:
    out = done / "out"
    assert {path.name for path in (out / "searches").iterdir()} == {f"rte-{arm}" for arm in NAMES}
    assert {path.name for path in (out / "runs").iterdir()} == {
        f"rte-{arm}-{seed}" for arm in NAMES for seed in (0, 1)
    }
    assert {path.name for path in (out / "longer").iterdir()} == {f"rte-{arm}-0" for arm in NAMES}
    assert not (out / "analyses").exists()
    assert not (out / "speed.json").exists()


def test_an_arms_runs_are_made_with_its_settings_and_the_same_search(done: Path) -> None:
    settings = {arm: run_of(done, f"rte-{arm}-0")["settings"] for arm in NAMES}
    assert [settings[arm]["method"] for arm in NAMES] == [
        "condlora", "condlora", "condlora", "lora", "head-alone"
    ]  # fmt: skip
    assert [settings[arm].get("source") for arm in NAMES] == [
        None, "shuffled", "gaussian", None, None
    ]  # fmt: skip
    assert [settings[arm]["rank"] for arm in NAMES] == [2, 2, 2, 1, 2]
    assert len({one["learning_rate"] for one in settings.values()}) == 1  # one trial, one sequence
    assert {one["unused_rows"] for one in settings.values()} == {6}


def test_no_run_trains_on_the_unused_rows_and_every_run_is_scored_on_them(done: Path) -> None:
    for arm in NAMES:
        assert run_of(done, f"rte-{arm}-0")["rows"]["train"] == 36 - 6
        for kind in ("runs", "longer"):
            path = done / "out" / kind / f"rte-{arm}-0" / "evaluation.json"
            score = json.loads(path.read_text())["unused_score"]
            assert score in [pytest.approx(right / 6) for right in range(7)]


def test_the_first_arm_is_compared_with_every_other(done: Path) -> None:
    record = json.loads((done / "out" / "pairs" / "rte.json").read_text())
    assert [(pair["one"], pair["other"]) for pair in record["pairs"]] == [
        ("own", arm) for arm in NAMES[1:] if arm in {pair["other"] for pair in record["pairs"]}
    ]
    config = read_config(str(done / "small.toml"))
    assert config.pairs == tuple(("own", arm) for arm in NAMES[1:])


def test_the_page_has_a_table_of_arms_by_tasks_and_none_of_the_papers(done: Path) -> None:
    page = (done / "out" / "results.md").read_text()
    assert page.startswith("# CondLoRA and its controls on ")
    for arm in NAMES:
        assert f"\n| {arm} " in page
    assert "| gaussian, consistent |" in page
    assert "Table 2" not in page
    assert "Figure 1" not in page
    rows = list(csv.DictReader((done / "out" / "tables" / "arms.csv").read_text().splitlines()))
    assert [row["method"] for row in rows] == [arm for arm in NAMES for _ in (0, 1)]
    # 2 layers of query and value, 16 wide: θ of rank 2, LoRA's factors of rank 1, nothing.
    assert [int(row["parameters"]) for row in rows[::2]] == [128, 128, 128, 128, 0]
    longer = csv.DictReader((done / "out" / "tables" / "longer.csv").read_text().splitlines())
    assert all(row["change_unused"] for row in longer)
    assert "unused rows" in (done / "out" / "tables" / "longer.md").read_text()


def test_the_page_is_printed_again_from_records(done: Path) -> None:
    page = (done / "out" / "results.md").read_bytes()
    result = reproduced(done, "--print")
    assert result.exit_code == 0, result.stderr
    assert (done / "out" / "results.md").read_bytes() == page


def test_what_is_done_is_not_done_again_and_one_arm_can_be_asked_for(done: Path) -> None:
    evaluation = done / "out" / "runs" / "rte-shuffled-1" / "evaluation.json"
    before = evaluation.read_bytes()
    evaluation.unlink()
    result = reproduced(done, "--methods", "shuffled")
    assert result.exit_code == 0, result.stderr
    assert "done already: run rte shuffled, seed 0" in result.stderr
    assert evaluation.read_bytes() == before
    refused = reproduced(done, "--methods", "lora")
    assert refused.exit_code == 1
    assert "has no method 'lora'; it has: own, shuffled, gaussian, lora1, head-alone" in (
        refused.stderr
    )


def test_a_run_made_with_another_source_is_not_taken_for_this_one(done: Path) -> None:
    file = done / "small.toml"
    text = file.read_text()
    file.write_text(text.replace('source = "gaussian"', 'source = "identity"'))
    result = reproduced(done, "--print")
    file.write_text(text)
    assert result.exit_code == 1
    assert "was made with source = 'gaussian', the configuration says 'identity'" in result.stderr


def test_arms_stand_beside_methods_that_are_asked_for(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, f'methods = ["lora", "condlora"]\n{ARMS}[tasks.rte]\n'))
    assert config.names == ("lora", "condlora", *NAMES)
    assert config.pairs[:2] == (("condlora", "lora"), ("own", "shuffled"))
    steps = [step for step in plan(config, tmp_path) if step.kind == "run"]
    assert [step.method for step in steps] == list(config.names)
    alone = read_config(written(tmp_path, f"{ARMS}[tasks.rte]\n"))
    assert alone.methods == ()
    assert alone.names == NAMES


def test_a_tasks_own_settings_of_an_arm_come_last(tmp_path: Path) -> None:
    text = f"{ARMS}[training]\nrank = 4\n[tasks.rte]\nrank = 6\n[tasks.rte.lora1]\nlearning_rate = 1e-3\n"
    config = read_config(written(tmp_path, text))
    assert [config.settings("rte", arm).rank for arm in NAMES] == [6, 6, 6, 1, 6]
    assert [config.is_searched("rte", arm) for arm in NAMES] == [True, True, True, False, True]
    assert config.settings("rte", "lora1").learning_rate == 1e-3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[arms.a]\nrank = 2', r"\[arms.a\] says no method; expected one of lora, condlora"),
        ('[arms.a]\nmethod = "dora"', "says method = 'dora', expected lora or condlora"),
        ('[arms.a]\nmethod = "lora"\nsource = "gaussian"', "of method condlora alone"),
        ('[arms.a]\nmethod = "condlora"\nsource = "w1"', "says source = 'w1', expected w0 or shuffled"),
        ('[arms.lora]\nmethod = "condlora"', "bears the name of a method and is of condlora"),
        ('[arms.rank]\nmethod = "lora"', "an arm is called 'rank', expected letters"),
        ('[arms."a/b"]\nmethod = "lora"', "an arm is called 'a/b', expected letters"),
        ('[arms.a]\nmethod = "lora"\nseed = 3', "may not say 'seed'"),
        ('[training]\nsource = "gaussian"', "training may not say 'source'"),
        ('[unused_rows]\nrows = 0', "unused_rows is 0, expected at least 1"),
        ('[unused_rows]\nshare = 0.1', "says 'share'; what is known there: rows, seed"),
    ],
)  # fmt: skip
def test_what_is_no_arm_is_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        read_config(written(tmp_path, f"{text}\n[tasks.rte]\n"))
    assert "\n" not in str(error.value)


def test_a_method_and_an_arm_need_two_names(tmp_path: Path) -> None:
    text = 'methods = ["lora"]\n[arms.lora]\nmethod = "lora"\n[tasks.rte]\n'
    with pytest.raises(SettingsError, match="'lora' is a method and an arm"):
        read_config(written(tmp_path, text))


@pytest.mark.parametrize(("name", "arms"), [("arms-minilm", 8), ("arms-mpnet", 4)])
def test_the_arms_that_come_along_differ_in_what_they_are_named_for_alone(
    name: str, arms: int
) -> None:
    config = read_config(name)
    assert len(config.names) == arms
    for task in config.tasks:
        own = config.settings(task, "own")
        for arm in config.names:
            found = config.settings(task, arm)
            assert found.alpha == found.rank
            same = replace(
                found, method=own.method, source=own.source, convention=own.convention,
                rank=own.rank, alpha=own.alpha,
            )  # fmt: skip
            assert same == own
    own = config.settings("stsb", "own")
    assert (own.method, own.source, own.convention) == ("condlora", "w0", "consistent")
