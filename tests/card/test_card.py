"""The card of a run, and who may write over it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora
from huggingface_hub import ModelCard

import lora_lens as ll
from lora_lens.card.text import card_text, metadata
from lora_lens.card.write import write_card
from lora_lens.files.locate import DEMO_BASE


def run_of(method: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((Path(ll.demo_adapter(method)) / "run.json").read_text())
    return record | {"test_score": record.get("test_score", 0.8474)}


@pytest.fixture(params=["lora", "condlora"])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / request.param
    shutil.copytree(ll.demo_adapter(request.param), folder)
    return folder


def test_the_card_has_the_scores_of_the_run_and_the_spectra_of_the_adapter(adapter: Path) -> None:
    record = run_of(adapter.name)
    assert write_card(adapter, record)
    text = (adapter / "README.md").read_text(encoding="utf-8")
    spectrum = ll.spectrum(adapter, beside_w0=False)
    assert spectrum.summary in text
    assert f"{record['test_score']:.4f}" in text
    assert f"{record['development_score']:.4f}" in text
    stable = np.mean([one.stable_rank for one in spectrum.of("value")])
    row = next(line for line in text.splitlines() if line.startswith("| value"))
    assert f" {stable:.2f} " in row
    assert "![Singular values of ΔW, and its ranks by layer](spectrum.png)" in text
    assert (adapter / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    assert not list(adapter.glob(".lora-lens-*"))


def test_the_hub_reads_its_metadata(adapter: Path) -> None:
    write_card(adapter, run_of(adapter.name))
    data = ModelCard.load(adapter / "README.md").data
    assert data.library_name == ("peft" if adapter.name == "lora" else "lora-lens")
    assert data.base_model == DEMO_BASE
    assert data.datasets == ["nyu-mll/glue"]
    assert {adapter.name, "lora-lens", "stsb"} <= set(data.tags)
    assert data.license is None
    scores = {result.metric_name: result.metric_value for result in data.eval_results}
    assert scores["pearson, test set"] == pytest.approx(run_of(adapter.name)["test_score"])


def test_its_adapter_is_read_as_before(adapter: Path) -> None:
    before = ll.inspect(adapter).to_dict()
    write_card(adapter, run_of(adapter.name))
    assert ll.inspect(adapter).to_dict() == before


def test_a_card_of_ours_is_written_again_and_another_is_not(adapter: Path) -> None:
    card = adapter / "README.md"
    assert write_card(adapter, run_of(adapter.name))
    first = card.read_bytes()
    assert write_card(adapter, run_of(adapter.name))
    assert card.read_bytes() == first
    text = first.decode()
    mark = next(line for line in text.splitlines() if line.startswith("<!--"))
    changed = (text + "And mine.\n", text.replace("---\n", "---\nlicense: mit\n", 1))
    for theirs in ("# Mine\n", text.replace(mark, ""), text.replace(mark, mark[:30]), *changed):
        card.write_text(theirs, encoding="utf-8")
        (adapter / "spectrum.png").unlink(missing_ok=True)
        assert not write_card(adapter, run_of(adapter.name))
        assert card.read_text(encoding="utf-8") == theirs
        assert not (adapter / "spectrum.png").exists()
    card.write_bytes(b"\xff\xfe\x00")
    assert not write_card(adapter, run_of(adapter.name))


def test_an_untrained_adapter_is_said_to_be_one(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"), config={"lora_alpha": 0})
    record = run_of("lora")
    record["settings"]["base"] = str(tmp_path / "base")
    assert write_card(tmp_path / "lora", record)
    text = (tmp_path / "lora" / "README.md").read_text(encoding="utf-8")
    assert (
        "ΔW is zero in every layer: nothing was trained there, the scaling is 0, or its factors cancel."
        in text
    )
    assert "nan" not in text


def test_without_spectra_the_card_says_why_and_names_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "broken"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{")
    assert write_card(folder, run_of("lora"))
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "Not told: " in text
    assert str(tmp_path) not in text
    assert not (folder / "spectrum.png").exists()


def test_a_card_without_the_base_names_no_folder_of_it(tmp_path: Path) -> None:
    shutil.copytree(ll.demo_adapter("condlora"), tmp_path / "run")
    record = run_of("condlora")
    record["settings"]["base"] = str(tmp_path / "gone")
    assert write_card(tmp_path / "run", record)
    text = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "Not told: base model 'gone' is no folder" in text
    assert str(tmp_path) not in text


def test_folders_of_this_machine_are_not_told(tmp_path: Path) -> None:
    record = run_of("lora")
    record["settings"] |= {
        "base": str(tmp_path / "secret" / "my-bert"),
        "own": {"train": str(tmp_path / "rows.csv"), "test": "x.csv", "text": ["t"], "label": "l"},
        "task": "irony",
    }
    text = card_text(record, None, why="nothing")
    assert str(tmp_path) not in text
    assert "my-bert" in text
    assert {"base_model", "datasets"}.isdisjoint(metadata(record))


@pytest.mark.parametrize(
    ("source", "data"),
    [("some/rows#train", "some/rows"), ("some/rows:plain#train", "some/rows"), ("rows.csv", None)],
)
def test_a_data_set_of_the_hub_is_named(source: str, data: str | None) -> None:
    record = run_of("lora")
    record["settings"]["own"] = {"train": source}
    assert metadata(record).get("datasets") == (None if data is None else [data])
