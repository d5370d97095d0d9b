"""AdaLoRA and CondLoRA in its form beside LoRA and CondLoRA, on a base of a few thousand weights."""

import csv
import json
from pathlib import Path

import pytest
from glue_folder import write_rte
from tiny_base import write_tiny_base
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.reproduction.experiment.paper import NAMES
from lora_lens.reproduction.numbers.scores import TaskScores
from lora_lens.reproduction.page.tables.table2 import score_table

METHODS = ("lora", "condlora", "adalora", "condadalora")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("four")
    write_rte(folder / "glue")
    base = write_tiny_base(folder / "base")
    (folder / "four.toml").write_text(
        f"""
        name = "four"
        base = "{base}"
        data = "{folder / "glue"}"
        methods = {list(METHODS)}
        [training]
        epochs = 2
        max_length = 32
        rank = 2
        [tasks.rte]
        [search]
        trials = 1
        [longer]
        seeds = [0]
        [equivalence]
        draws = 100
        [analysis]
        draws = 5
        speed_steps = 2
        speed_length = 8
        """
    )
    result = CliRunner().invoke(
        app, ["reproduce", str(folder / "four.toml"), "--out", str(folder / "out"), "--cpu"]
    )
    assert result.exit_code == 0, result.stderr
    return folder / "out", result.stdout


def test_all_four_stand_in_the_tables(done: tuple[Path, str]) -> None:
    out, printed = done
    rows = csv.DictReader((out / "tables" / "table2.csv").read_text().splitlines())
    assert [row["method"] for row in rows] == list(METHODS)
    for name in (
        "| AdaLoRA ",
        "| CondAdaLoRA ",
        "| CondAdaLoRA − AdaLoRA ",
        "| learning rate, CondAdaLoRA ",
    ):
        assert name in printed
    longer = json.loads((out / "longer" / "rte-condadalora-0" / "run.json").read_text())
    assert longer["settings"]["epochs"] == 4
    assert sum(longer["ranks"].values()) <= 8


def test_all_four_have_their_names_in_figures(done: tuple[Path, str]) -> None:
    for figure in ("scores", "curves"):
        drawn = (done[0] / "figures" / f"{figure}.svg").read_text()
        assert all(f">{NAMES[method]}</text>" in drawn for method in METHODS), figure


def test_what_is_analysed_are_lora_and_condlora(done: tuple[Path, str]) -> None:
    out, _ = done
    record = json.loads((out / "analyses" / "rte-0" / "analysis.json").read_text())
    assert record["value"]["comparison"]["one"] == "rte-lora-0"
    assert record["value"]["comparison"]["other"] == "rte-condlora-0"


def test_parameters_are_counted(done: tuple[Path, str]) -> None:
    """2 layers of query and value, 16 wide, rank 2; AdaLoRA's form begins with 3."""
    counted = json.loads((done[0] / "speed.json").read_text())["methods"]
    assert {name: one["trainable_parameters"] for name, one in counted.items()} == {
        "lora": 4 * 2 * 16 * 2,
        "condlora": 2 * 2 * 16 * 2,
        "adalora": 4 * (2 * 16 * 3 + 3),
        "condadalora": 2 * 2 * 16 * 3 + 4 * 3,
    }


def test_two_comparisons_have_their_names() -> None:
    scores = {method: {0: 0.8 + 0.01 * k, 1: 0.81} for k, method in enumerate(METHODS)}
    task = TaskScores("mrpc", "accuracy", 0.684, scores, dict.fromkeys(METHODS, 1e-3))
    rows = [row[0] for row in score_table([task], "base").rows]
    assert rows.index("CondLoRA − LoRA") < rows.index("CondAdaLoRA − AdaLoRA")
    assert len(set(rows)) == len(rows)
    assert "p, paired t-test, CondAdaLoRA" in rows
