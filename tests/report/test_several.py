"""Several adapters side by side: each by itself, every two of them, one family of tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora

import lora_lens as ll
from lora_lens.chance.p_values import holm
from lora_lens.report.analysed import Analysed
from lora_lens.report.analysis import analyse
from lora_lens.report.module_sizes import sizes_of
from lora_lens.report.request import Request
from lora_lens.report.rows import rows_of
from lora_lens.report.summary import glance_table, left_out_lines, told
from lora_lens.report.training_told import TrainingTold, training_told
from lora_lens.report.w0_cost import with_spectra_of_w0
from lora_lens.report.write import make_report


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[ll.Adapter]:
    """Of query and value, of value alone, and of key and value, on one base."""
    folder, shape = tmp_path_factory.mktemp("three"), BertLike()
    base = str(write_base(folder / "base", BertLike(modules=("query", "value", "key"))))
    shapes = [shape, BertLike(modules=("value",)), BertLike(modules=("key", "value"))]
    return [
        ll.load_adapter(write_lora(folder / name, one, base=base, seed=seed))
        for seed, (name, one) in enumerate(zip(("one", "two", "three"), shapes, strict=True))
    ]


@pytest.fixture(scope="module")
def analysed(three: list[ll.Adapter]) -> Analysed:
    return analyse(three, Request(draws=399))


def test_each_adapter_and_every_pair_has_what_it_has(analysed: Analysed) -> None:
    found = [(one.module, one.of) for one in analysed.modules]
    assert found == [
        ("query", (0,)),
        ("value", (0,)), ("value", (1,)), ("value", (2,)),
        ("value", (0, 1)), ("value", (0, 2)), ("value", (1, 2)),
        ("key", (2,)),
    ]  # fmt: skip
    lines = left_out_lines(analysed)
    assert [line.partition(":")[0] for line in lines] == [
        "two, query", "three, query", "one, key", "two, key",
    ]  # fmt: skip


def test_all_tests_are_one_family_in_words_and_json(analysed: Analysed) -> None:
    findings = [finding for _, _, finding in analysed.findings]
    # Of shared, and of compare: three layers are too few to shuffle.
    assert len(findings) == 5 * 2 + 3 * 2
    raw = np.array([one.claim.trial.p for one in findings])
    np.testing.assert_allclose([one.verdict.p for one in findings], holm(raw))
    out = told(analysed)
    assert [one["p"] for one in out["findings"]] == [one.verdict.p for one in findings]
    assert {one["family"] for one in out["findings"]} == {len(findings)}
    rows = glance_table(analysed).rows
    assert [row[1] for row in rows] == [analysed.label(one.of) for one, _, _ in analysed.findings]
    assert {row[1] for row in rows} >= {"one", "two", "three", "one and two", "two and three"}
    json.dumps(out, allow_nan=False)


def test_numbers_are_those_of_the_questions(analysed: Analysed, three: list[ll.Adapter]) -> None:
    one = next(one for one in analysed.modules if one.of == (1, 2))
    answer = one.answer("comparison")
    assert answer is not None
    np.testing.assert_array_equal(
        answer.result["B"].values, ll.compare(three[1], three[2], "value", draws=399)["B"].values
    )
    own = next(one for one in analysed.modules if one.of == (2,)).answer("spectrum")
    assert own is not None
    expected = ll.spectrum(three[2], "value", beside_w0=True)
    assert own.result.intruders() == expected.intruders()
    assert own.result.intruders()


def test_draws_are_twenty_times_the_family(three: list[ll.Adapter]) -> None:
    found = analyse(three, Request(modules=("value",), draws=None))
    assert found.request.draws is not None
    assert found.request.draws + 1 >= 20 * len(found.findings)


def test_what_cannot_be_compared_is_read_all_the_same(
    three: list[ll.Adapter], tmp_path: Path
) -> None:
    """An adapter of another width has its own sections; that no pair can be made is said."""
    shape = BertLike(width=32, modules=("value",))
    base = str(write_base(tmp_path / "base", shape))
    other = ll.load_adapter(write_lora(tmp_path / "wide", shape, base=base))
    found = analyse([three[1], other], Request(draws=3))
    assert [(one.of, len(one.answers)) for one in found.modules] == [
        ((0,), 3),
        ((1,), 3),
        ((0, 1), 0),
    ]
    lines = left_out_lines(found)
    assert len(lines) == 2
    assert all(line.startswith("two and wide, value, ") for line in lines)
    assert all("in_features" in line for line in lines)
    written = ll.report(three[1], other, out=tmp_path / "r.html", draws=3).read_text("utf-8")
    assert "Module value of two and wide" not in re.sub("<.*?>", "", written)
    assert told(found)["not_analysed"] == lines


def test_names_of_one_job_are_one_row(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    base = str(write_base(tmp_path / "base", shape))
    one = ll.load_adapter(write_lora(tmp_path / "one", shape, base=base))
    assert rows_of([one, one], None) == ([("value", "value")], ())
    assert rows_of([one, one], ["v_proj", "value"])[0] == [("value", "value")]


def test_a_large_w0_is_left_out_with_the_command_that_has_it(three: list[ll.Adapter]) -> None:

    from lora_lens.report.asked import ASKED

    spectrum = next(one for one in ASKED if one.question.name == "spectrum")
    shape = sizes_of(three[0], "value")
    base = ll.open_base(str(three[0].base_model))
    asked, why = with_spectra_of_w0(spectrum, base, shape)
    assert (asked.options["beside_w0"], why) == (True, "")
    wide = shape._replace(layers=10**8)
    asked, why = with_spectra_of_w0(spectrum, base, wide)
    assert asked.options["beside_w0"] is False
    assert "lora-lens spectrum --w0 --module value" in why
    assert with_spectra_of_w0(spectrum, None, wide)[1] == ""


def test_the_page_has_them_side_by_side(three: list[ll.Adapter], tmp_path: Path) -> None:
    page = ll.report(*three, out=tmp_path / "r.html", draws=3).read_text("utf-8")
    title = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    assert title
    words = " ".join(re.sub("<.*?>", "", title[1]).split())
    assert words == "Adapter one compared with two and three"
    headings = [" ".join(re.sub("<.*?>", "", h).split()) for h in re.findall("<h2.*?</h2>", page)]
    assert headings[1:-2] == [
        "Module query of one", "Module value of one", "Module value of two", "Module value of three",
        "Module value of one and two", "Module value of one and three",
        "Module value of two and three", "Module key of three",
    ]  # fmt: skip


RECORD = {"settings": {"task": "mrpc"}, "metric": "accuracy", "test_score": 0.78125}
CARD = """---
model-index:
- name: a
  results:
  - task: {type: text-classification}
    dataset: {name: my <b>set</b>, type: x}
    metrics: [{type: f1, value: 0.5}]
---
words
"""


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("run.json", json.dumps(RECORD), "mrpc, accuracy 0.7812 (test)"),
        ("run.json", json.dumps(RECORD | {"test_score": None}), "mrpc"),
        ("run.json", json.dumps(RECORD | {"test_score": float("nan"), "development_score": 0.5}),
         "mrpc, accuracy 0.5 (development)"),
        ("run.json", "[1", None), ("run.json", "[1]", None), ("run.json", "{}", None),
        ("README.md", CARD, "my <b>set</b>, f1 0.5"),
        ("README.md", "---\ndatasets: [glue]\n---\n", "glue"),
        ("README.md", "---\n{: [\n---\n", None), ("README.md", "# a card", None),
    ],
)  # fmt: skip
def test_task_and_score_are_what_the_files_say(
    name: str, text: str, words: str | None, tmp_path: Path
) -> None:
    shape = BertLike(modules=("value",))
    base = str(write_base(tmp_path / "base", shape))
    folder = write_lora(tmp_path / "one", shape, base=base)
    (folder / name).write_text(text, encoding="utf-8")
    found = training_told(ll.load_adapter(folder))
    assert (found and found.words) == words


def test_what_files_say_of_the_training_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that changes while the page is made is on it in two versions."""
    shape = BertLike(modules=("value",))
    base = str(write_base(tmp_path / "base", shape))
    folder = write_lora(tmp_path / "one", shape, base=base)
    record = folder / "run.json"
    record.write_text(json.dumps(RECORD), encoding="utf-8")

    def changing(adapter: ll.Adapter) -> TrainingTold | None:
        found = training_told(adapter)
        record.write_text(json.dumps(RECORD | {"test_score": 0.5}), encoding="utf-8")
        return found

    for module in ("analysis", "provenance"):
        monkeypatch.setattr(f"lora_lens.report.{module}.training_told", changing, raising=False)
    path, summary = make_report(folder, tmp_path / "r.html", request=Request(draws=3))
    page = path.read_text(encoding="utf-8")
    assert "accuracy 0.7812 (test)" in page
    assert "accuracy 0.5" not in page
    assert [one["training"]["score"] for one in summary["adapters"]] == [RECORD["test_score"]]
