"""A record that is broken is one kind of error, whoever reads it."""

import json
import shutil
from pathlib import Path

import pytest

from lora_lens.errors import RecordError
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.runs.collect import collect
from lora_lens.reproduction.runs.steps import plan

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("minilm", "runs/stsb-lora-0/run.json"),
        ("minilm", "runs/stsb-lora-0/evaluation.json"),
        ("minilm", "searches/stsb-lora/search.json"),
        ("minilm", "analyses/stsb-0/analysis.json"),
        ("minilm", "speed.json"),
        ("mpnet", "pairs/stsb.json"),
        ("mpnet", "longer/stsb-lora-0/run.json"),
    ],
)
def test_a_broken_record_is_a_record_error(name: str, record: str, tmp_path: Path) -> None:
    out = copied(name, tmp_path)
    (out / record).write_text("{", encoding="utf-8")
    with pytest.raises(RecordError, match=rf"{record} is not readable JSON"):
        collect(read_config(name), out)


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ("runs/stsb-lora-0/run.json", "settings"),
        ("runs/stsb-lora-0/run.json", "history"),
        ("runs/stsb-lora-0/evaluation.json", "score"),
        ("searches/stsb-lora/search.json", "best"),
        ("searches/stsb-lora/search.json", "trials"),
    ],
)
def test_a_record_that_lacks_something_is_named(record: str, key: str, tmp_path: Path) -> None:
    out = copied("minilm", tmp_path)
    found = json.loads((out / record).read_text())
    del found[key]
    (out / record).write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(RecordError, match=rf"{record} has no '{key}', expected the record as"):
        collect(read_config("minilm"), out)


@pytest.mark.parametrize("record", ["runs/stsb-lora-0/run.json", "analyses/stsb-0/analysis.json"])
def test_a_record_of_another_format_is_refused(record: str, tmp_path: Path) -> None:
    out = copied("minilm", tmp_path)
    before = json.loads((out / record).read_text())
    config = read_config("minilm")
    found = collect(config, out)
    (out / record).write_text(json.dumps({"format": 1} | before), encoding="utf-8")
    assert collect(config, out).analyses == found.analyses
    (out / record).write_text(json.dumps({"format": 2} | before), encoding="utf-8")
    words = rf"{record} has format 2, and this lora-lens reads 1; update it$"
    with pytest.raises(RecordError, match=words):
        collect(config, out)


def test_the_constant_answer_is_the_runs_own(tmp_path: Path) -> None:
    """Where rows were cut, evaluations of earlier versions have that of all."""
    out = copied("minilm", tmp_path)
    before = {task.task: task.majority for task in collect(read_config("minilm"), out).scores}
    for path in out.glob("runs/sst2-*/evaluation.json"):
        found = json.loads(path.read_text()) | {"majority_score": 0.125}
        path.write_text(json.dumps(found), encoding="utf-8")
    after = {task.task: task.majority for task in collect(read_config("minilm"), out).scores}
    assert after == before


def copied(name: str, folder: Path) -> Path:
    """The records of a shipped experiment, to be broken."""
    only = shutil.ignore_patterns("figures", "tables", "*.safetensors", "trials.csv", "history.*")
    return Path(shutil.copytree(RESULTS / name, folder / "out", ignore=only))


def test_a_step_of_several_methods_asked_for_its_own_is_no_users_error(tmp_path: Path) -> None:
    compared = next(step for step in plan(read_config("minilm"), tmp_path) if step.kind == "pairs")
    with pytest.raises(ValueError, match=r"^comparison by rows, \w+ is of no single method$"):
        assert compared.of_method
