"""What a report holds: the analyses' own numbers, where they come from, and what was left out."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike, random, write_base, write_lora
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

import lora_lens as ll
from lora_lens.chance.p_values import holm
from lora_lens.chance.verdict import Trial
from lora_lens.cli import app
from lora_lens.errors import (
    BaseModelError,
    LensError,
    MissingExtraError,
    OutputError,
    RankError,
)
from lora_lens.questions import comparison, spectrum
from lora_lens.questions.comparison.page import series_table
from lora_lens.questions.grid.figures import thinned
from lora_lens.questions.grid.words import details as grids_sentence
from lora_lens.questions.similarity.page import pairs_table
from lora_lens.report import asked, write_report
from lora_lens.report.analysed import Analysed
from lora_lens.report.analysis import analyse
from lora_lens.report.asked import ASKED
from lora_lens.report.draws import enough_draws
from lora_lens.report.page import embedded
from lora_lens.report.request import Request
from lora_lens.report.rows import Row
from lora_lens.report.sections import section
from lora_lens.report.summary import _counted, glance_table, groups, headline, hedged
from lora_lens.report.tables import page_table
from lora_lens.report.units import Unit, units_of
from lora_lens.show.drawing import with_plotly
from lora_lens.show.findings import PHI, Claim, Finding, found
from lora_lens.show.layout import Table

ROOT = Path(__file__).parents[2]

DAY = date(2024, 2, 29)
DRAWS = 19  # of the report that the tests share


class Words(HTMLParser):
    """The text of a page as sentences have it, without its scripts, and its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.data = self.findings = ""
        self._inside = ""
        text = re.sub(r"<code>([^<]*)</code>", r"`\1`", text)
        self.feed(re.sub(r"‖<sub>(\w)</sub>", r"‖_\1", text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = dict(attrs).get("id") or tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self._inside == "findings":
            self.findings += data
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(path: Path) -> Words:
    return Words(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def words(report: Path) -> Words:
    return read(report)


def test_the_page_says_the_sentences_of_the_analyses(words: Words, pair: tuple[Path, Path]) -> None:
    analysed = analyse(list(map(ll.load_adapter, pair)), Request(draws=DRAWS))
    for module in analysed.modules:
        assert len(module.answers) == (3 if len(module.of) == 1 else 2)
        for answer in module.answers:
            assert answer.summary in words.text
            assert answer.asked.question.asks in words.text
    adapter = ll.load_adapter(pair[0])
    assert ll.spectrum(adapter, "value").summary in words.text
    grids = ll.rank_grids(adapter, ll.load_adapter(pair[1]), "value")
    assert grids_sentence(grids) in words.text


def test_the_pages_json_is_its_words(words: Words, pair: tuple[Path, Path]) -> None:
    """No test has two verdicts in one place: text, strips, table and JSON are made of one family."""
    told = json.loads(words.findings)
    analysed = analyse(list(map(ll.load_adapter, pair)), Request(draws=DRAWS))
    assert told["summary"] == headline(analysed)
    assert told["summary"] in words.text
    assert (told["seed"], told["version"], told["draws"]) == (0, ll.__version__, DRAWS)
    # Of shared, of each adapter, and of the comparison.
    assert len(told["findings"]) == len(analysed.findings) == 2 * (2 * 2 + 2)
    for one, (module, question, finding) in zip(told["findings"], analysed.findings, strict=True):
        assert (one["module"], one["question"]) == (module.module, question.question.name)
        assert one["adapters"] == [str(pair[k]) for k in module.of]
        assert (one["verdict"], one["words"]) == (finding.word, finding.words)
        assert one["family"] == len(analysed.findings)
        assert one["about"] in words.text
    for one in told["summaries"]:
        assert one["summary"] in words.text


def test_the_page_says_what_was_analysed(words: Words, pair: tuple[Path, Path]) -> None:
    for folder in pair:
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in words.text
    base = pair[0].parent / "base" / "model.safetensors"
    assert hashlib.sha256(base.read_bytes()).hexdigest() in words.text
    for fact in ("query (3 layers, rank 4, W0 24×24)", "19 draws each, seed 0", "float64 on cpu",
                 f"lora-lens {ll.__version__}", f"numpy {np.__version__}", "stored: W0⁻¹Aᵀ",
                 str(pair[0]), "lora_lens.report(…) from Python"):  # fmt: skip
        assert fact in words.text


def test_what_the_gauge_moves_is_said_of_shares_too(words: Words) -> None:
    """Below the rank the share that one layer captures of A or B depends on R as φ does, see `test_gauge`."""
    assert (
        "φ and shares at i = j = rank, and spectra of ΔW, do not depend on R; φ and shares of A or B at i or j below the "
        "rank do"
    ) in words.text


def test_the_same_request_makes_the_same_file(pair: tuple[Path, Path], tmp_path: Path) -> None:
    made = [
        write_report(pair[0], tmp_path / name, draws=5, made=DAY, modules=["value"]).read_bytes()
        for name in ("one.html", "two.html")
    ]
    assert made[0] == made[1]
    text = read(tmp_path / "one.html").text
    assert "2024-02-29" in text
    assert "module query not asked for" in text


def test_figures_hold_the_results_numbers_and_plotly_knows_their_traces(
    words: Words, pair: tuple[Path, Path]
) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    data = json.loads(words.data)
    adapter, other = map(ll.load_adapter, pair)
    compared = ll.compare(adapter, other, "query", draws=19)
    lines = {trace["name"]: trace["y"] for trace in data["module-2-comparison-A"]["data"]}
    np.testing.assert_allclose(lines["A (right singular vectors)"], compared["A"].values, rtol=1e-5)
    shared = ll.shared_subspace(adapter, "query", draws=19)["B"]
    traces = {trace["name"]: trace for trace in data["module-0-shared-B"]["data"]}
    np.testing.assert_allclose(traces["left out"]["y"], shared.left_out, rtol=1e-5)
    band, null = traces["captured by chance, ± 2 sd"], shared.nulls["propagated"].captured
    np.testing.assert_allclose(band["base"], null.mean - 2 * null.sd, rtol=1e-4)
    np.testing.assert_allclose(band["y"], 4 * null.sd, rtol=1e-4)
    spectrum = ll.spectrum(adapter, "query", beside_w0=False)
    spec = data["module-0-spectrum-s"]
    found = spec["arrays"][spec["frames"][0]["quantities"]["value"]]
    np.testing.assert_allclose(found, [one.singular_values for one in spectrum.layers], rtol=1e-5)
    for spec in data.values():
        if spec["kind"] == "lines":
            go.Figure(spec["data"])  # raises where plotly has no such property


def test_no_name_of_a_checkpoint_is_in_a_figure(tmp_path: Path) -> None:
    shape = BertLike(modules=("secret",))
    tensors = {f"{shape.path(k, 'secret')}.weight": random(24, 24, seed=k) for k in range(3)}
    write_base(tmp_path / "base", shape, tensors)
    one, other = (
        write_lora(tmp_path / name, shape, base=str(tmp_path / "base"))
        for name in ("hidden", "hidden-too")
    )
    data = read(write_report(one, tmp_path / "r.html", other, draws=3)).data
    assert "secret" not in data
    assert "hidden" not in data


def test_backticks_in_a_name_make_no_code_of_it(pair: tuple[Path, Path], tmp_path: Path) -> None:
    named = tmp_path / "one-*x*`y`"
    shutil.copytree(pair[0], named)
    base = pair[0].parent / "base"
    out = ll.report(named, pair[1], base=base, out=tmp_path / "r.html", module="value", draws=3)
    answers = re.findall('<p class="answer">(.*?)</p>', out.read_text("utf-8"))
    said = [answer for answer in answers if answer.startswith("one-")]
    assert said
    for answer in said:
        assert html.unescape(answer).startswith("one-*x*`y`")
        assert "<code>y" not in answer


def test_data_cannot_end_its_element() -> None:
    hostile = {"</script><!--": "<script>&\u2028"}
    text = embedded(hostile)
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == hostile


def test_numbers_are_of_six_digits_or_none() -> None:
    values = np.array([[1.23456789, np.nan], [np.inf, 1234567.0]])
    assert with_plotly.rounded(values) == [[1.23457, None], [None, 1234570.0]]


def test_large_grids_are_drawn_on_a_logarithmic_scale(tmp_path: Path) -> None:
    shape = BertLike(width=48, rank=40, modules=("value",), layers=1)
    write_base(tmp_path / "base", shape)
    paths = [
        write_lora(tmp_path / str(k), shape, base=str(tmp_path / "base"), seed=k) for k in (1, 2)
    ]
    grids = ll.rank_grids(*map(ll.load_adapter, paths), "value")  # type: ignore[arg-type]
    frame = thinned(grids[0])
    rows, columns = (list(map(int, names)) for names in (frame.rows, frame.columns))
    assert (rows[0], rows[-1]) == (1, 40)
    assert len(rows) <= 24
    found = frame.shown(frame.views[0])[-2, 5]
    assert found == grids[0].values[rows[-2] - 1, columns[5] - 1]


def family(analysed: Analysed) -> list[Any]:
    return [finding for _, _, finding in analysed.findings]


def test_condlora_is_the_same_in_all_layers_under_its_own_convention() -> None:
    adapter = ll.load_adapter(ll.demo_adapter("condlora"))
    analysed = analyse([adapter], Request(modules=("value",), draws=39))
    assert [one.convention and one.convention.name for one in analysed.modules] == ["consistent"]
    assert {one.word for one in family(analysed)} == {"more"}
    assert headline(analysed) == (
        "Nothing was tested against chance but 2 shares that are 1 by construction."
    )
    answers = [answer for group in groups(analysed, {}) for answer in group.answers]
    assert answers == [
        "value: one shared layer of width 8 gives A and B in every layer.",
        "value: φ between all layers is 1 for A, B and BA, as one shared θ makes it.",
    ]
    assert {one.size for one in family(analysed)} == {"share = 1 of 1: all of it, far above chance"}


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Analysed, str]:
    """What is found of the demo's pair, and the page of it."""
    kept: list[Analysed] = []

    def keeping(*given: Any) -> Analysed:
        kept.append(analyse(*given))
        return kept[-1]

    out = tmp_path_factory.mktemp("demos") / "r.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lora_lens.report.write.analyse", keeping)
        ll.report(ll.demo_adapter("lora"), ll.demo_adapter("condlora"), out=out, module="value")
    return kept[0], out.read_text("utf-8")


def test_what_is_so_by_construction_is_no_discovery_and_costs_the_others_nothing(
    demos: tuple[Analysed, str],
) -> None:
    """The demo's pair: CondLoRA's shares are beside the tests, of which LoRA's are corrected as without them."""
    analysed, _ = demos
    tested = [one for one in family(analysed) if not one.claim.made]
    assert len(family(analysed)) - len(tested) == 2
    assert {one.verdict.family for one in tested} == {len(tested)}
    raw = np.array([one.claim.trial.p for one in tested])
    np.testing.assert_allclose([one.verdict.p for one in tested], holm(raw))
    said = headline(analysed)
    assert f" of {len(tested)} tests " in said
    assert "share = 1" not in said
    assert said.endswith(" Not counted: 2 shares that are 1 by construction.")


def test_a_lora_whose_layers_obey_one_theta_is_a_discovery(tmp_path: Path) -> None:
    """The paper's claim, of an adapter that was not made so: no other than CondLoRA's shares are left out of the tests."""
    plain = ll.export_lora(ll.demo_adapter("condlora"), tmp_path / "plain")
    analysed = analyse([ll.load_adapter(plain)], Request(modules=("value",), draws=39))
    said = headline(analysed)
    assert said.startswith("2 of 2 tests find more than chance: ")
    assert "by construction" not in said


def test_two_draws_find_nothing(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Where p is 1/3 at least nothing can be called more or less, however it looks."""
    for one in (pair[0], ll.demo_adapter("condlora")):
        analysed = analyse([ll.load_adapter(one)], Request(modules=("value",), draws=2))
        assert {finding.word for finding in family(analysed)} == {"not seen"}
        few = "In 2 tests 2 draws are too few to tell anything from chance (39 are needed), so nothing could be found."
        made = "Nothing was tested against chance but 2 shares that are 1 by construction."
        assert headline(analysed) == (few if one is pair[0] else made)
        asked, *_ = groups(analysed, {})
        assert {one.words for one in asked.strips} == {"too few draws to tell"}
        assert all("so nothing could be found" in answer for answer in asked.answers)
        assert not any("gives A and B" in answer for answer in asked.answers)
    text = read(write_report(pair[0], tmp_path / "r.html", draws=2)).text
    page = (tmp_path / "r.html").read_text("utf-8")
    assert 'class="strip more' not in page
    assert 'class="strip less' not in page
    assert 'class="strip not-seen' in page
    assert "too few draws to tell" in text


def test_too_few_draws_are_said_once_with_all_that_it_holds_of(tmp_path: Path) -> None:
    """Of several adapters each pair would say the same."""
    base = write_base(tmp_path / "base", BertLike())
    for k, modules in enumerate((("query", "value"), ("query", "value"), ("value",))):
        write_lora(tmp_path / f"a{k}", BertLike(modules=modules), base=str(base), seed=k)
    adapters = [ll.load_adapter(tmp_path / f"a{k}") for k in range(3)]
    asked = groups(analyse(adapters, Request(draws=2)), {})
    few = "2 draws are too few to tell A and B from chance (359 are needed), so nothing could be found."
    assert [list(group.answers) for group in asked if group.strips] == [
        [f"query and value, of a0 and of a1; value, of a2: {few}"],
        [f"query and value, of a0 and a1; value, of a0 and a2 and of a1 and a2: {few}"],
    ]
    asked = groups(analyse(adapters[:1], Request(draws=2)), {})
    assert asked[0].answers[0].startswith("query and value: 2 draws are too few")
    asked = groups(analyse(adapters[:2], Request(draws=399)), {})
    assert len(asked[0].answers) == 4


def test_corrections_are_over_all_findings(pair: tuple[Path, Path]) -> None:
    analysed = analyse(list(map(ll.load_adapter, pair)), Request(draws=399))
    found = family(analysed)
    raw = np.array([one.claim.trial.p for one in found])
    np.testing.assert_allclose([one.verdict.p for one in found], holm(raw))
    for module in analysed.modules:
        for answer in module.answers:
            # A question's own family is smaller, and its p are no larger.
            alone = answer.asked.question.findings(answer.result)
            for one, other in zip(answer.findings, alone, strict=True):
                assert one.claim == other.claim
                assert one.verdict.p >= other.verdict.p
                assert one.verdict.detectable >= other.verdict.detectable


def units(adapters: Sequence[ll.Adapter], *rows: Row) -> list[Unit]:
    return list(units_of(adapters, [(None, "")] * len(adapters), rows))


def test_draws_are_enough_for_all_tests(pair: tuple[Path, Path]) -> None:
    one, other = map(ll.load_adapter, pair)
    query, value = ("query", "query"), ("value", "value")
    assert enough_draws(units([one], ("value",))) == 200
    assert enough_draws(units([one], ("query",), ("value",))) == 200
    assert enough_draws(units([one, other], query, value)) == 399
    assert enough_draws(units([one, other], query, ("value", None))) == 239
    analysed = analyse([one, other])
    assert analysed.request.draws == 399
    tests = len(family(analysed))
    most = 2 * sum(one.tests * (1 if one.needs == "other" else 2) for one in ASKED)
    assert tests <= most
    assert None not in {one.verdict.detectable for one in family(analysed)}
    factors = replace(one.modules["value"], a=one.modules["value"].a.expand(3, 4, 24))
    wide = replace(one, modules={"value": replace(factors, layers=tuple(range(10**6)))})
    assert enough_draws(units([wide, wide], value)) == 200  # what fits, but no fewer


def test_the_summary_says_how_many_how_much_and_p(pair: tuple[Path, Path]) -> None:
    analysed = analyse([ll.load_adapter(pair[0])] * 2, Request(draws=399))
    answers = {group.question: group.answers for group in groups(analysed, {})}
    for answer in answers["Do two adapters span alike, layer by layer?"]:
        assert "A and B of the two adapters span the same in all layers" in answer
    said = headline(analysed)
    assert (
        "4 of 12 tests find more than chance: “Do two adapters span alike, layer by layer?”" in said
    )
    assert re.search(
        r"more in 4 tests, farthest from chance [AB] of (query|value) of .+ at φ = 1 of 1: the same subspace, "
        "far above chance.",
        said,
    )
    assert "Holm's method for all 12 tests" in hedged(analysed)
    assert {row[-1] for row in glance_table(analysed).rows} == {
        "more than chance", "no more than chance",
    }  # fmt: skip


def test_the_farthest_from_chance_is_named_and_is_not_called_the_most() -> None:
    """Where chance gives more, a larger φ is nearer to it: the demo's B of query and of value."""

    def alike(value: float, chance: float) -> Finding:
        trial = Trial(value, chance, 0.001, 0.0001, 999)
        return found([Claim("B of the two adapters alike", "B", PHI, "flipped", trial)])[0]

    said = _counted([("query", alike(0.044, 0.031)), ("value of one", alike(0.039, 0.020))])
    assert said == (
        "more in 2 tests, farthest from chance B of value of one at φ = 0.039 of 1: nearly orthogonal, a trace "
        "above chance"
    )
    alone = _counted([("query", alike(0.044, 0.031))])
    assert alone.startswith("more in 1 test, B of query at φ = 0.044 of 1")


def test_what_is_described_stands_behind_what_is_tested(pair: tuple[Path, Path]) -> None:
    """φ between layers has its sentences in the summary, and nothing that could be taken for a verdict."""
    analysed = analyse([ll.load_adapter(pair[0])], Request(draws=39))
    tested, described = groups(analysed, {})
    assert tested.question.startswith("Would one linear layer")
    assert len(tested.strips) == 4
    assert described.question.startswith("How alike are conversion matrices across layers")
    assert not described.strips
    said = [one.answer("similarity") for one in analysed.modules]
    assert described.answers == [one.summary for one in said if one is not None]
    assert len(described.answers) == 2
    assert {asked.question.name for _, asked, _ in analysed.findings} == {"shared"}


def test_what_is_a_trace_above_chance_looks_like_a_trace(demos: tuple[Analysed, str]) -> None:
    """φ = .039 of 1 has no colour, and a line that ends at a tenth, as it says, where all of its question is below that."""
    _, made = demos
    found = re.findall(
        r'<div class="strip ([a-z -]+)">.*?class="value" x="([0-9.]+)"', made, re.DOTALL
    )
    shown = [(kind, float(x)) for kind, x in found]
    assert [kind for kind, _ in shown] == ["not-seen slight"] * 2 + ["more"] * 2 + [
        "more slight"
    ] * 2
    assert all(x > 99 for kind, x in shown if kind == "more")
    assert all(30 < x < 40 for kind, x in shown if kind == "more slight")
    assert re.findall(r'class="strip ends".*?<span>0</span><span>(.*?)</span>', made) == [
        "1",
        "0.1 of 1",
    ]
    assert "The lines start at 0 and end at 1, or at a tenth of it" in made
    assert "A verdict is in colour where it is by more than a trace." in made
    assert ".slight .verdict { color: inherit; }" in made


def test_a_question_is_reported_without_being_named(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a report asks is one list; the page follows it."""
    last = ASKED[-1:]
    monkeypatch.setattr("lora_lens.report.units.ASKED", last)
    made = read(write_report(pair[0], tmp_path / "r.html", draws=3))
    assert last[0].question.asks in made.text
    assert "Would one linear layer" not in made.text
    assert "Nothing was tested against chance." in made.text
    rooms = Path(asked.__file__).parent
    for file in rooms.glob("*.py"):
        named = re.findall(
            r"questions\.?(?:import)? ?[\w, ]*(?:similarity|shared|grid)", file.read_text()
        )
        assert not named or file.name == "asked.py"
    assert all(one.question.part("page") and one.question.part("least") for one in ASKED)


def test_a_rectangular_module_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    path = "encoder.layer.{}.output.dense"
    tensors = {f"{shape.path(k, 'value')}.weight": random(24, 24, seed=k) for k in range(3)}
    tensors |= {f"{path.format(k)}.weight": random(24, 40, seed=50 + k) for k in range(3)}
    write_base(tmp_path / "base", shape, tensors)
    extra = {}
    for k in range(3):
        name = f"base_model.model.bert.{path.format(k)}"
        extra[f"{name}.lora_A.weight"] = random(4, 40, seed=70 + k)
        extra[f"{name}.lora_B.weight"] = random(24, 4, seed=80 + k)
    one = write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"), extra=extra)
    text = read(write_report(one, tmp_path / "r.html", draws=3, convention="stored")).text
    asks = ASKED[0].question.asks
    assert f"Not analysed: dense, {asks}: " in text
    assert "'consistent'" in text
    assert f"{asks} value: " in text
    both = read(write_report(one, tmp_path / "r.html", draws=3)).text
    assert "Not analysed" not in both
    assert "stored (value)" in both
    assert "consistent (dense)" in both
    assert "W0⁻ᵀAᵀ" in both


def test_without_a_base_there_are_spectra_alone(tmp_path: Path) -> None:
    one = write_lora(tmp_path / "lora", BertLike(), base="nobody/nothing")
    text = read(write_report(one, tmp_path / "r.html")).text
    assert "nobody/nothing (not on this machine)" in text
    assert "query and value, everything that W0 is needed for:" in text
    assert spectrum.QUESTION.asks in text
    with pytest.raises(BaseModelError):
        write_report(one, tmp_path / "other.html", base=tmp_path / "nowhere")
    assert not (tmp_path / "other.html").exists()


def test_an_untrained_adapter_is_an_error_that_writes_nothing(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    zero = {
        f"base_model.model.bert.{shape.path(k, 'value')}.lora_B.weight": random(24, 4, seed=1) * 0
        for k in range(3)
    }
    one = write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"), extra=zero)
    with pytest.raises(RankError, match="untrained"):
        write_report(one, tmp_path / "out" / "r.html", draws=3)
    assert not (tmp_path / "out").exists()


def test_one_layer_is_said(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    write_base(tmp_path / "base", shape)
    one = write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    text = read(write_report(one, tmp_path / "r.html", draws=3)).text
    assert "value: one layer only, so no layers can be compared." in text
    assert "value: one layer only, so nothing can be shared." in text
    assert " nan" not in text.lower()
    made = section(analyse([ll.load_adapter(one)], Request(draws=3)).modules[0], "m")
    assert [len(part.figures) for part in made.parts] == [0, 0, 3]  # nothing to draw but spectra


def write_two(folder: Path, one: BertLike, other: BertLike, **settings: Any) -> tuple[Path, Path]:
    base = write_base(folder / "base", one)
    return (
        write_lora(folder / "one", one, base=str(base)),
        write_lora(folder / "other", other, **({"base": str(base), "seed": 8} | settings)),
    )


def test_an_other_with_other_modules_and_ranks(tmp_path: Path) -> None:
    pair = write_two(tmp_path, BertLike(), BertLike(rank=2, modules=("value", "key")))
    text = read(write_report(pair[0], tmp_path / "r.html", pair[1], draws=3)).text
    assert "Not analysed: other, query: no module 'query'" in text
    assert "one, key: no module 'key'" in text
    assert "Module key of other" in text
    assert "φ of A between the two adapters by layer, i = 2, j = 2" in text


def test_an_other_with_nothing_in_common_is_found_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = write_two(tmp_path, BertLike(modules=("query",)), BertLike(modules=("value",)))
    monkeypatch.setattr("lora_lens.report.analysis._answered", None)  # the work does not begin
    with pytest.raises(LensError, match=r"other has none of the modules .*query.* it has: value"):
        write_report(pair[0], tmp_path / "out" / "r.html", pair[1], draws=3)
    assert not (tmp_path / "out").exists()


def test_an_other_of_another_base_is_said(tmp_path: Path) -> None:
    pair = write_two(tmp_path, BertLike(), BertLike(), base="somebody/else")
    text = read(write_report(pair[0], tmp_path / "r.html", pair[1], draws=3)).text
    assert "The adapters name different base models" in text
    assert "somebody/else" in text


def test_two_condlora_of_one_w0_are_not_called_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = tuple(one for one in ASKED if one.question is comparison.QUESTION)
    monkeypatch.setattr("lora_lens.report.units.ASKED", pairs)
    source = ll.demo_adapter("condlora")
    adapters = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        shutil.copytree(source, folder)
        theta = {
            name: random(*tensor.shape, seed=97 * seed + k)
            for k, (name, tensor) in enumerate(
                load_file(folder / "adapter_model.safetensors").items()
            )
        }
        save_file(theta, folder / "adapter_model.safetensors")
        adapters.append(ll.load_adapter(folder))
    analysed = analyse(adapters, Request(modules=("value",), draws=19))
    module = analysed.modules[-1]
    assert module.of == (0, 1)
    compared = module.answer("comparison")
    assert compared is not None
    for series in compared.result.values():  # though θ is untrained
        assert series.significance.of_mean.p == 1 / 20
        assert series.significance.of_mean.z > 10
    assert compared.findings == ()
    assert (
        "which no null here can tell from what the same W0 makes of any two θ" in compared.summary
    )
    assert any("same W0" in note for note in compared.result.notes)


def test_adapters_of_one_name_are_told_apart(pair: tuple[Path, Path], tmp_path: Path) -> None:
    folders = [tmp_path / seed / "best" for seed in ("seed-1", "seed-2")]
    for source, folder in zip(pair, folders, strict=True):
        shutil.copytree(source, folder)
    made = write_report(folders[0], tmp_path / "r.html", folders[1], draws=3, modules=["value"])
    assert "Adapter seed-1 compared with seed-2" in read(made).text


def ways_to(folder: Path, link: Path) -> dict[str, tuple[Any, Any]]:
    link.symlink_to(folder)
    loaded = ll.load_adapter(folder)
    return {
        "a slash behind it": (folder, f"{folder}/"),
        "relative": (folder, os.path.relpath(folder)),
        "a way round": (folder, folder / ".." / folder.name),
        "a link": (folder, link),
        "one object": (loaded, loaded),
        "read twice": (loaded, ll.load_adapter(folder)),
        "a folder and an object": (folder, loaded),
    }


def test_one_beside_itself_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    for one, again in ways_to(pair[0], tmp_path / "link").values():
        with pytest.raises(ll.LensError, match="is given twice; expected different adapters"):
            ll.report(one, pair[1], again, out=tmp_path / "report.html")
    assert not list(tmp_path.glob("report*"))


def test_numbers_are_finite_or_dashes(words: Words) -> None:
    assert not re.search(r"\bnan\b|\binf\b", words.text, re.IGNORECASE)


def test_labels_left_out_below_each_other_are_repeated() -> None:
    table = page_table(
        Table("t", ["a", "b", "c"], [["x", "y", "1"], ["", "", "2"], ["z", "", "3"]])
    )
    assert table.rows == [["x", "y", "1"], ["x", "y", "2"], ["z", "", "3"]]
    assert table.prose == [True, True, False]
    assert table.latex.count("x") == 1


def test_adapters_by_layer_are_as_long_as_there_are_layers(pair: tuple[Path, Path]) -> None:
    compared = ll.compare(*map(ll.load_adapter, pair), "query", draws=19)
    table = series_table(compared)
    assert table.head == [
        "layer", "A (right)", "p", "p (BH)", "B (left)", "p", "p (BH)", "ΔW (left)", "p", "p (BH)",
    ]  # fmt: skip
    b = compared["B"]
    assert table.rows[2][4:7] == [
        f"{value:.3f}"
        for value in (b.values[2], b.tests["flipped"].p[2], b.tests["flipped"].p_bh[2])
    ]
    assert not page_table(table).wide
    assert page_table(Table("t", [*"abcdefghijklmnopq"], [])).wide


def test_pairs_are_ranked_by_phi(pair: tuple[Path, Path]) -> None:
    grid = ll.conversion_similarity(ll.load_adapter(pair[0]), "value", draws=9)["A"]
    rows = pairs_table(grid, "propagated").rows
    phi = [float(row[2]) for row in rows]
    assert phi == sorted(phi, reverse=True)
    assert len(rows) == 3
    uneven = ll.conversion_similarity(ll.load_adapter(pair[0]), "value", i=4, j=2, draws=9)["A"]
    assert len(pairs_table(uneven, "propagated").rows) == 6


def test_ids_are_the_pages_own(pair: tuple[Path, Path]) -> None:
    analysed = analyse([ll.load_adapter(pair[0])], Request(draws=3))
    made = section(analysed.modules[0], "module-0")
    assert [shown.part.name for shown in made.parts] == [
        "module-0-similarity", "module-0-shared", "module-0-spectrum",
    ]  # fmt: skip


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_and_marks_stand_out_in_both_themes() -> None:
    style = (resources.files("lora_lens.report") / "assets" / "style.css").read_text("utf-8")
    blocks = re.findall(r"(--ground[^}]*?)color-scheme: (light|dark)", style)
    assert [theme for _, theme in blocks] == ["light", "dark", "dark", "light"]
    assert blocks[1][0].split() == blocks[2][0].split()
    assert blocks[0][0].split() == blocks[3][0].split()
    for block, _ in blocks:
        colour = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for ground in ("ground", "panel"):
            for text in ("ink", "muted", "accent", "more", "less"):
                assert contrast(colour[text], colour[ground]) >= 4.5  # WCAG AA
            for mark in (*with_plotly._PALETTE, with_plotly.GREY):
                assert contrast(mark, colour[ground]) >= 3  # WCAG AA for graphics


def test_without_the_extra_the_pip_line_is_said(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r'pip install "lora-lens\[report\]"'):
        write_report(pair[0], tmp_path / "r.html")


def test_a_folder_in_the_way_and_too_few_draws(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        write_report(pair[0], tmp_path)
    with pytest.raises(LensError, match="expected 2 or more"):
        write_report(pair[0], tmp_path / "r.html", draws=1)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_the_command_writes_the_file_and_says_itself(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "r.html"
    result = run(*pair, "-o", out, "-m", "value", "--draws", 4, "--rank", 3, "--date", "2024-02-29")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "In 7 tests 4 draws are too few to tell anything from chance (139 are needed), so nothing could be found.\n"
    )
    assert "wrote" in result.stderr
    again = ["-m", "value", "--draws", 4, "--rank", 3, "--json"]
    told = json.loads(run(*pair, "-o", tmp_path / "again.html", *again).stdout)
    assert result.stdout.strip() == told["summary"]
    assert {one["verdict"] for one in told["findings"]} == {"not seen"}
    assert {one["words"] for one in told["findings"]} == {"too few draws to tell"}
    assert [file.name for file in out.parent.iterdir()] == ["r.html"]
    text = read(out).text
    assert (
        f"lora-lens report {pair[0]} {pair[1]} -o {out} --module value --rank 3 --convention auto "
        f"--ridge 0.0 --draws 4 --seed 0 --date 2024-02-29 --device auto --dtype float64"
    ) in text
    assert "i = 3, j = 3" in text
    assert "2024-02-29" in text


def test_the_command_that_is_told_has_the_bases_other_names(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without them whoever repeats it reads another W0, or none."""
    out = tmp_path / "r.html"
    given = ["-m", "value", "--draws", 2, "--rename", "^never=value", "--rename", "nor=this one"]
    assert run(pair[0], "-o", out, *given).exit_code == 0
    told = f"lora-lens report {pair[0]} -o {out} --module value --convention auto --ridge 0.0 --draws 2 --seed 0"
    assert f"{told} --rename '^never=value' --rename 'nor=this one' --device auto" in read(out).text


def test_a_dash_is_standard_output(pair: tuple[Path, Path], tmp_path: Path) -> None:
    given = ["report", str(pair[0]), "-o", "-", "-m", "value", "--draws", "2"]
    ran = subprocess.run(
        [sys.executable, "-m", "lora_lens", *given],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.startswith("<!DOCTYPE html>")
    assert ran.stdout.rstrip().endswith("</html>")
    assert "In " in ran.stderr  # the summary, which is no part of the page
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--rank", 5], "at most 4"), (["-m", "key"], "key"), (["--device", "x"], "x")],
)
def test_errors_are_one_line_and_nothing_is_written(
    pair: tuple[Path, Path], tmp_path: Path, options: list[Any], word: str
) -> None:
    result = run(pair[0], "-o", tmp_path / "r.html", *options)
    assert result.exit_code == 1
    foretold = result.stderr.split("lora-lens: ")[0]
    assert foretold == "" or re.fullmatch(r"\d+ parts?, .*\n", foretold)
    assert result.stderr.removeprefix(foretold).count("\n") == 1
    assert word in result.stderr
    assert list(tmp_path.iterdir()) == []
