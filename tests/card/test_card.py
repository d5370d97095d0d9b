"""The card of a run, and who may write over it."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora
from huggingface_hub import ModelCard

import lora_lens as ll
from lora_lens.card.metadata import metadata
from lora_lens.card.text import card_text
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


@pytest.mark.usefixtures("blank_figures")
def test_the_hub_reads_its_metadata(adapter: Path) -> None:
    write_card(adapter, run_of(adapter.name))
    data = ModelCard.load(adapter / "README.md").data
    assert data.library_name == ("peft" if adapter.name == "lora" else "lora-lens")
    assert data.base_model == DEMO_BASE
    assert data.datasets == ["nyu-mll/glue"]
    assert {adapter.name, "lora-lens", "stsb"} <= set(data.tags)
    assert data.license is None
    assert data.metrics == ["pearsonr"]
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == (
        "pearsonr",
        run_of(adapter.name)["test_score"],
    )
    found = (result.dataset_type, result.dataset_config, result.dataset_split)
    assert found == ("nyu-mll/glue", "stsb", "validation")


@pytest.mark.usefixtures("blank_figures")
def test_its_adapter_is_read_as_before(adapter: Path) -> None:
    before = ll.inspect(adapter).to_dict()
    write_card(adapter, run_of(adapter.name))
    assert ll.inspect(adapter).to_dict() == before


@pytest.mark.usefixtures("blank_figures")
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


def test_a_folder_that_is_not_here_is_not_sought_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is resumed elsewhere: another's repository may be called so, and may be in the cache."""
    folder = tmp_path / "condlora"
    shutil.copytree(ll.demo_adapter("condlora"), folder)
    record = run_of("condlora") | {"base_commit": None}
    record["settings"]["base"] = "bases/tiny"
    monkeypatch.setattr("lora_lens.card.write.load_adapter", None)
    assert write_card(folder, record)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "Not told: the base, tiny, is a folder, and not here." in text


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
    [
        ("some/rows#train", "some/rows"), ("some/rows:plain#train", "some/rows"), ("rows.csv", None),
        ("rows#1.csv", None),
    ],
)  # fmt: skip
def test_a_data_set_of_the_hub_is_named(source: str, data: str | None) -> None:
    record = run_of("lora")
    record["settings"]["own"] = {"train": source}
    assert metadata(record).get("datasets") == (None if data is None else [data])


@pytest.mark.parametrize(
    ("changes", "described", "said"),
    [
        (
            {"task": "rte"},
            {"name": "rte", "type": "nyu-mll/glue", "config": "rte", "split": "validation"},
            "GLUE's validation rows (dev), for GLUE keeps its test rows' labels; the development set is a "
            "tenth of its training rows, held out.",
        ),
        (
            {"task": "mnli"},
            {"name": "mnli", "type": "nyu-mll/glue", "config": "mnli", "split": "validation_matched+validation_mismatched"},
            "GLUE's validation rows (dev_matched and dev_mismatched), for",
        ),
        (
            {"task": "irony", "own": {"train": "a.csv", "test": "o/rows:plain#test", "development": "b.csv"}},
            {"name": "irony", "type": "o/rows", "config": "plain", "split": "test"},
            "o/rows:plain#test of the hub; the development set is rows of their own.",
        ),
        (
            {"task": "irony", "own": {"train": "a.csv", "test": "a.csv"}}, None,
            "the training rows themselves; the development set is a tenth of",
        ),
        (
            {"task": "irony", "own": {"train": "o/rows#train", "test": "secret#1.csv", "development": None}},
            None,
            "rows of their own; the development set is a tenth of the training rows, held out.",
        ),
    ],
)  # fmt: skip
def test_whose_rows_the_scores_are_of_is_said(
    changes: dict[str, Any], described: dict[str, str] | None, said: str
) -> None:
    """Of rows that are no data set of the hub its index takes no result."""
    record = run_of("lora") | {"metric": "matthews"}
    record["settings"] |= changes
    found = metadata(record)
    assert found["metrics"] == ["matthews_correlation"]
    assert ("model-index" in found) == (described is not None)
    for index in found.get("model-index", ()):
        (result,) = index["results"]
        assert result["dataset"] == described
        assert [one["type"] for one in result["metrics"]] == ["matthews_correlation"]
    assert f"The test set is {said}" in card_text(record, None, why="nothing")


def test_a_base_is_the_hubs_where_the_run_took_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies in the folder in which the card is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "bert").mkdir(parents=True)
    commit, record = "ab" * 20, run_of("condlora")
    cache = tmp_path / "models--some--bert"
    for base, of, hub, called in (
        ("bases/tiny", None, None, "tiny"),
        ("bert@home", None, None, "bert@home"),
        ("some/bert", commit, "some/bert", "some/bert"),
        ("some/bert@v1", commit, "some/bert", "some/bert"),
        (str(cache), commit, "some/bert", "some/bert"),
        (str(cache / "snapshots" / commit), commit, "some/bert", "some/bert"),
        (f"snapshots/{commit}", commit, None, commit),
    ):
        record["settings"]["base"], record["base_commit"] = base, of
        assert metadata(record).get("base_model") == hub, base
        text = card_text(record, None, why="nothing")
        assert f"# stsb: CondLoRA on {called}\n" in text
        assert f'from_pretrained(\n    "{called}", ' in text
        assert (f"| {called}@{commit} " in text) == (hub is not None)
        told = f"The base, {called}, is a folder of the machine that trained it: put there"
        assert (told in text) == (hub is None)


@pytest.mark.parametrize(
    ("base", "told"),
    [("hub/models--some--bert", "some/bert"), ("bases/tiny", "tiny"), ("some/bert", None)],
)
def test_a_base_that_peft_seeks_in_a_folder_is_said_to_be_in_one(
    base: str, told: str | None
) -> None:
    record = run_of("lora") | {"base_commit": None if base == "bases/tiny" else "ab" * 20}
    record["settings"]["base"] = base
    text = card_text(record, None, why="nothing")
    assert ("`adapter_config.json` names the base, " in text) == (told is not None)
    assert told is None or f"names the base, {told}, by a folder of the machine that" in text


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_the_code_names_the_repository_that_is_known(method: str) -> None:
    record = run_of(method)
    for repository, called in (("me/a", "me/a"), ("a", "THIS_ADAPTER"), (None, "THIS_ADAPTER")):
        text = card_text(record, None, why="nothing", repository=repository)
        assert f'"{called}"' in text
        assert ("THIS_ADAPTER" in text) == (called == "THIS_ADAPTER")


def test_names_break_neither_the_text_nor_its_code() -> None:
    record = run_of("condlora")
    record["settings"] |= {"task": "a\n# <b>b", "base": 'bases/my "best" `base`', "own": {}}
    text = card_text(record, None, why="no <i>")
    assert '# a # \\<b>b: CondLoRA on my "best" \\`base\\`\n' in text
    assert "own data, a # \\<b>b by lora-lens" in text
    assert "Not told: no \\<i>" in text
    assert 'The base, my "best" \\`base\\`, is' in text
    (code,) = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)
    (base,) = (
        one.args[0]
        for one in ast.walk(ast.parse(code))
        if isinstance(one, ast.Call) and one.keywords
    )
    assert ast.literal_eval(base) == 'my "best" `base`'
