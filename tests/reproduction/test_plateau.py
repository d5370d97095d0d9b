"""What docs/results.md says of the plateau is what its records hold."""

import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "results.md").read_text(encoding="utf-8")


def short(score: float) -> str:
    return f"{score:.3f}".removeprefix("0")


@pytest.mark.parametrize("name", ["zero-condlora", "mean-condlora", "scaled-condlora", "mean-lora"])
def test_a_row_a_run(name: str) -> None:
    record = json.loads((DOCS / "results" / "plateau" / f"{name}.json").read_text())
    curve = " ".join(short(at["development_score"]) for at in record["history"])
    assert f"| {curve} | {short(record['test_score'])} |" in PAGE


def test_the_run_with_twice_the_epochs() -> None:
    paths = ("minilm/runs/stsb-condlora-2/run.json", "longer/stsb-condlora-2/run.json")
    once, longer = (json.loads((DOCS / "results" / path).read_text()) for path in paths)
    assert longer["settings"] == once["settings"] | {"epochs": 8.0}
    development, test = short(once["development_score"]), short(once["test_score"])
    assert f"development {development}, test {test}" in PAGE
    development, test = short(longer["development_score"]), short(longer["test_score"])
    assert f"reached {development} and {test}" in PAGE
