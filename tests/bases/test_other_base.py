"""An adapter beside another base than the one that it names is told so, once, by every question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.bases.other_base import beside
from lora_lens.cli import app
from tests.checkpoints import BertLike, write_base, write_lora

ONE, OTHER = "ab" * 20, "cd" * 20
TOLD = "is taken in its place"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with some/bert in two commits, and some/bert-instruct."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name, commit in (("bert", ONE), ("bert", OTHER), ("bert-instruct", ONE)):
        repository = folder / f"models--some--{name}"
        write_base(repository / "snapshots" / commit, BertLike())
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
    (folder / "models--some--bert" / "refs" / "v1").write_text(ONE)
    return folder


def adapter(folder: Path, base: str, **settings: Any) -> Path:
    write_lora(folder, BertLike(), base=base)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return folder


def told(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if TOLD in note]


@pytest.mark.parametrize(
    ("named", "read", "said"),
    [
        ("meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-8B-Instruct", True),
        ("one/base", "other/base", True),  # a mirror may be, and need not
        ("unsloth/llama-3-8b-bnb-4bit", "meta-llama/Meta-Llama-3-8B", True),
        ("unsloth/Llama-3.2-1B-unsloth-bnb-4bit", "unsloth/llama-3.2-1b", False),
        ("bert-base-uncased", "google-bert/bert-base-uncased", False),
        ("bert-base-uncased", "google-bert/bert-base-cased", True),
        ("owner/model", "Owner/Model", False),
        ("owner/model", "owner/model@v2", False),  # no revision is named
        ("owner/model@v1", "owner/model@v2", True),
        ("owner/model@v1", "owner/model@v1", False),
        ("owner/model@v1", "owner/model", False),  # of which v1 is read
        (f"owner/model@{ONE[:7]}", f"owner/model@{ONE}", False),
        ("owner/model@step1000", "owner/model@step10000", True),
        ("owner/model@v1", f"owner/model@{ONE}", False),  # which may be of it
        (f"owner/model@{OTHER[:7]}", f"owner/model@{ONE}", True),
        ("owner/model-GPTQ-Int4", "owner/model", False),
        ("owner/model-gptq-4bit-128g-actorder_True", "owner/model", False),
        ("owner/model-GPTQ-finetuned", "owner/model", True),
        ("/x/models--owner--model-merged/final", "owner/model", False),
        ("/home/me/models/llama", "owner/model", False),
        ("./llama", "owner/model", False),
        ("owner/model/", "owner/model", False),
        (f"/home/me/hub/models--owner--model/snapshots/{ONE}", "owner/model", False),
        (f"/home/me/hub/models--owner--model/snapshots/{ONE}/", "owner/other", True),
        (f"C:\\hub\\models--owner--model\\snapshots\\{ONE}", f"owner/model@{OTHER}", True),
        ("models--gpt2/snapshots/main", "openai-community/gpt2", False),
        ("owner/model", "a copy of mine", False),
        (None, "owner/model", False),
        ("", "owner/model", False),
    ],
)  # fmt: skip
def test_which_names_surely_differ(
    bert: BertLike, tmp_path: Path, named: str | None, read: str, said: bool
) -> None:
    write_lora(tmp_path / "lora", bert, base=str(tmp_path / "base"))
    read_as = ll.load_adapter(tmp_path / "lora")
    read_as = replace(read_as, origin=replace(read_as.origin, base=named), caveats=())
    beside_it = beside(read_as, read)
    assert len(told(beside_it.caveats)) == said
    assert beside(beside_it, read).caveats == beside_it.caveats
    assert beside(read_as) is read_as


@pytest.mark.parametrize(
    "question",
    [
        lambda path, base: ll.conversion_similarity(path, "value", draws=2, base=base),
        lambda path, base: ll.shared_subspace(path, "value", draws=2, base=base),
        lambda path, base: ll.shared_subspace(path, "value", draws=2, base=base, other=path),
        lambda path, base: ll.compare(path, path, "value", draws=2, base=base),
        lambda path, base: ll.rank_grids(path, path, "value", draws=0, base=base),
        lambda path, base: ll.rank_grids(path, module="value", draws=0, base=base),
        lambda path, base: ll.amplification(path, "value", base=base),
        lambda path, base: ll.spectrum(path, "value", draws=2, base=base),
        lambda path, base: ll.magnitude_and_direction(path, "value", draws=2, base=base),
        lambda path, base: ll.outliers(path, "value", draws=2, base=base),
    ],
)
def test_every_question_says_it_once(cache: Path, tmp_path: Path, question: Any) -> None:
    path = adapter(tmp_path / "lora", "some/bert")
    folder = str(cache / "models--some--bert-instruct" / "snapshots" / ONE)
    for base in ("some/bert-instruct", folder, ll.open_base("some/bert-instruct")):
        read = path if isinstance(base, str) else ll.load_adapter(path)
        (said,) = told(question(read, base).notes)
        assert said.startswith("an adapter names some/bert as its base model, and some/bert-ins")
    loaded = ll.load_adapter(path, "some/bert-instruct")
    assert len(told(question(loaded, None).notes)) == 1
    assert len(told(question(loaded, "some/bert-instruct").notes)) == 1
    copy = tmp_path / "copy"
    write_base(copy, BertLike())
    for base in (None, "some/bert", str(cache / "models--some--bert"), copy):
        assert not told(question(path, base).notes)
        if base is not None:  # in the place of the one that it was read beside, which made nothing
            assert not told(question(loaded, base).notes)


def test_questions_of_several_and_of_what_is_there(cache: Path, tmp_path: Path) -> None:
    paths = [adapter(tmp_path / "runs" / name, "some/bert") for name in "ab"]
    paths.append(adapter(tmp_path / "runs" / "c", "some/bert-instruct"))
    assert told(ll.inspect(ll.load_adapter(paths[0], "some/bert-instruct")).notes)
    found = ll.adapter_matrix(paths, draws=2, base="some/bert")
    (said,) = told(found.notes)
    assert said.startswith("an adapter names some/bert-instruct")
    surveyed = ll.survey(tmp_path / "runs", tmp_path / "out", base="some/bert")
    (said,) = told(surveyed.notes)
    assert "(1 of 3 adapters)" in said


@pytest.mark.parametrize(
    ("settings", "base", "said"),
    [
        ({"revision": ONE}, f"some/bert@{OTHER[:9]}", True),
        ({"revision": ONE[:8]}, "some/bert@v1", False),
        ({"revision": "v1"}, "some/bert@main", True),
        ({"revision": "main"}, "some/bert@v1", False),
        ({"revision": "v1"}, "some/bert", False),
        ({}, f"some/bert@{OTHER}", False),
        ({"revision": "v1"}, "models--some--bert", True),  # whose main is another
    ],
)
def test_another_revision_is_another_base(
    cache: Path, tmp_path: Path, settings: Mapping[str, Any], base: str, said: bool
) -> None:
    path = adapter(tmp_path / "lora", "some/bert", **settings)
    base = str(cache / base) if base.startswith("models--") else base
    assert len(told(ll.conversion_similarity(path, "value", draws=0, base=base).notes)) == said


def test_the_command_line_the_json_and_a_report(cache: Path, tmp_path: Path) -> None:
    path = adapter(tmp_path / "lora", "some/bert")
    asked = ["similarity", str(path), "--module", "value", "--draws", "2"]
    given = ["--base", "some/bert-instruct"]
    shown = CliRunner().invoke(app, [*asked, *given])
    assert " ".join(shown.output.split()).count(TOLD) == 1
    assert TOLD not in CliRunner().invoke(app, asked).output
    result = CliRunner().invoke(app, [*asked, *given, "--json"])
    assert len(told(json.loads(result.stdout)["notes"])) == 1
    page = ll.report(path, out=tmp_path / "page.html", base="some/bert-instruct", draws=2)
    assert TOLD in page.read_text()


def test_no_w0_and_another_base_is_refused_still(tmp_path: Path) -> None:
    path = adapter(tmp_path / "lora", "some/bert")
    with pytest.raises(ll.LensError, match="leave out one of the two"):
        ll.compare(path, path, "value", base="some/bert-instruct", beside_w0=False)


def test_a_model_in_memory_that_was_loaded_from_another(tmp_path: Path) -> None:
    peft, transformers = (pytest.importorskip(name) for name in ("peft", "transformers"))
    config = transformers.BertConfig(
        hidden_size=24, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, vocab_size=30
    )  # fmt: skip
    model = transformers.BertModel(config)
    settings = peft.LoraConfig(r=2, target_modules=["value"], init_lora_weights=False)
    for name, said in (("some/bert", 0), ("some/bert-instruct", 1), (str(tmp_path), 0), ("", 0)):
        model.name_or_path = name
        tuned = peft.PeftModel(
            model, settings
        )  # as of a folder, whose configuration stays as it is
        tuned.peft_config["default"].base_model_name_or_path = "some/bert"
        found = ll.conversion_similarity(ll.load_adapter(tuned), "value", draws=0)
        assert len(told(found.notes)) == said
        assert found.base == f"{name or 'some/bert'} (in memory)"
        model = tuned.unload()
