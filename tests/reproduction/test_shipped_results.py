"""The results that the documentation shows are those that their records hold."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.reproduction.config import read_config
from lora_lens.reproduction.steps import plan

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "minilm"


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The tables, made anew from a copy of the records by the command that the page names."""
    out = tmp_path_factory.mktemp("again") / "minilm"
    shutil.copytree(RESULTS, out, ignore=shutil.ignore_patterns("tables", "figures"))
    result = CliRunner().invoke(app, ["reproduce", "minilm", "--out", str(out)])
    assert result.exit_code == 0, result.stderr
    return out, result.stdout


def test_every_step_of_the_configuration_is_recorded() -> None:
    steps = list(plan(read_config("minilm"), RESULTS))
    assert len(steps) == 48  # 4 tasks: 2 searches, 6 runs, a comparison and 3 analyses each
    # They are from before answers were kept row by row.
    assert {step.kind for step in steps if not step.done} == {"pairs"}


def test_the_tables_are_those_of_the_records(again: tuple[Path, str]) -> None:
    shipped = {path.name: path.read_text() for path in (RESULTS / "tables").iterdir()}
    remade = {path.name: path.read_text() for path in (again[0] / "tables").iterdir()}
    assert remade == shipped
    assert shipped["table2.md"] in again[1]


def test_no_record_names_a_machine() -> None:
    for path in RESULTS.rglob("*.json"):
        text = path.read_text()
        assert '"/' not in text, f"{path} holds an absolute path"
        assert "../" not in text, f"{path} holds a relative path"
