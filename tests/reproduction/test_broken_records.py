"""A record that is broken is one kind of error, whoever reads it."""

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
    out = tmp_path / "out"
    only = shutil.ignore_patterns("figures", "tables", "*.safetensors", "trials.csv", "history.*")
    shutil.copytree(RESULTS / name, out, ignore=only)
    (out / record).write_text("{", encoding="utf-8")
    with pytest.raises(RecordError, match=rf"{record} is not readable JSON"):
        collect(read_config(name), out)


def test_a_step_of_several_methods_asked_for_its_own_is_no_users_error(tmp_path: Path) -> None:
    compared = next(step for step in plan(read_config("minilm"), tmp_path) if step.kind == "pairs")
    with pytest.raises(ValueError, match=r"^comparison by rows, \w+ is of no single method$"):
        assert compared.of_method
