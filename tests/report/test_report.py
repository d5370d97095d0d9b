"""What a report holds: the analyses' own numbers, where they come from, and what was left out."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike, random, write_base, write_lora
from lora_lens.report.findings import (
    Finding,
    findings,
    glance_table,
    groups,
    hedge,
    verdict,
)
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

import lora_lens as ll
from lora_lens.chance.against_null import NullTest
from lora_lens.cli import app
from lora_lens.errors import (
    BaseModelError,
    LensError,
    MissingExtraError,
    OutputError,
    RankError,
)
from lora_lens.questions.grid.words import summary as grids_sentence
from lora_lens.questions.similarity.words import summary as similarity_sentence
from lora_lens.questions.spectrum.words import summary as spectrum_sentence
from lora_lens.report import figures, write_report
from lora_lens.report.analysis import analyse
from lora_lens.report.page import embedded
from lora_lens.report.request import Request
from lora_lens.report.sections import section
from lora_lens.report.tables import page_table, pairs_table, series_table
from lora_lens.show.layout import Table

DAY = date(2024, 2, 29)


class Words(HTMLParser):
    """The text of a page without its scripts, and its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.data = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = dict(attrs).get("id") or tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
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
    adapter = ll.load_adapter(pair[0])
    result = ll.conversion_similarity(
        adapter, "value", draws=19, nulls=("gaussian", "propagated", "mismatched", "initialisation")
    )
    sentence = similarity_sentence(result).split(": ", 1)[1]
    assert sentence[1:] in words.text
    assert spectrum_sentence(ll.spectrum(adapter, "value", beside_w0=False)) in words.text
    grids = ll.rank_grids(adapter, ll.load_adapter(pair[1]), "value")
    assert grids_sentence(grids) in words.text


def test_the_page_says_what_was_analysed(words: Words, pair: tuple[Path, Path]) -> None:
    for folder in pair:
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in words.text
    base = pair[0].parent / "base" / "model.safetensors"
    assert hashlib.sha256(base.read_bytes()).hexdigest() in words.text
    for fact in ("query (3 layers, rank 4, W0 24×24)", "19 draws each, seed 0", "float64 on cpu",
                 f"lora-lens {ll.__version__}", f"numpy {np.__version__}", "stored: W0⁻¹Aᵀ",
                 str(pair[0]), "write_report(…) from Python"):  # fmt: skip
        assert fact in words.text


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
    lines = {trace["name"]: trace["y"] for trace in data["module-0-comparison"]["data"]}
    np.testing.assert_allclose(lines["A (right)"], compared["A"].values, rtol=1e-5)
    shared = ll.shared_subspace(adapter, "query", draws=19)["B"]
    traces = {trace["name"]: trace for trace in data["module-0-shared-B"]["data"]}
    np.testing.assert_allclose(traces["left out"]["y"], shared.left_out, rtol=1e-5)
    band, null = traces["captured by chance, ± 2 sd"], shared.nulls["propagated"].captured
    np.testing.assert_allclose(band["base"], null.mean - 2 * null.sd, rtol=1e-4)
    np.testing.assert_allclose(band["y"], 4 * null.sd, rtol=1e-4)
    spectrum = ll.spectrum(adapter, "query", beside_w0=False)
    found = data["module-0-spectrum-s"]["values"]
    np.testing.assert_allclose(found, [one.singular_values for one in spectrum.layers], rtol=1e-5)
    for spec in data.values():
        if spec["kind"] == "lines":
            go.Figure(spec["data"])  # raises where plotly has no such property


def test_no_name_of_a_checkpoint_is_in_a_figure(tmp_path: Path) -> None:
    shape = BertLike(modules=("secret",))
    tensors = {f"{shape.path(k, 'secret')}.weight": random(24, 24, seed=k) for k in range(3)}
    write_base(tmp_path / "base", shape, tensors)
    one = write_lora(tmp_path / "hidden", shape, base=str(tmp_path / "base"))
    data = read(write_report(one, tmp_path / "r.html", one, draws=3)).data
    assert "secret" not in data
    assert "hidden" not in data


def test_data_cannot_end_its_element() -> None:
    hostile = {"</script><!--": "<script>&\u2028"}
    text = embedded(hostile)
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == hostile


def test_numbers_are_of_six_digits_or_none() -> None:
    values = np.array([[1.23456789, np.nan], [np.inf, 1234567.0]])
    assert figures.rounded(values) == [[1.23457, None], [None, 1234570.0]]


def test_large_grids_are_drawn_on_a_logarithmic_scale(tmp_path: Path) -> None:
    shape = BertLike(width=48, rank=40, modules=("value",), layers=1)
    write_base(tmp_path / "base", shape)
    paths = [
        write_lora(tmp_path / str(k), shape, base=str(tmp_path / "base"), seed=k) for k in (1, 2)
    ]
    grids = ll.rank_grids(*map(ll.load_adapter, paths), "value")  # type: ignore[arg-type]
    frame = figures.grids_figure(grids)["frames"][0]
    assert frame["i"][0] == 1
    assert frame["i"][-1] == 40
    assert len(frame["i"]) <= 24
    row, column = frame["i"][-2] - 1, frame["j"][5] - 1
    assert frame["phi"][-2][5] == pytest.approx(grids[0].values[row, column], rel=1e-5)


@pytest.mark.parametrize(
    ("value", "z", "p", "expected"),
    [(1.0, 9, 0.01, "equal"), (0.5, 2, 0.05, "more"), (0.5, 2, 0.051, "no more"),
     (0.5, -3.1, 1.0, "less"), (0.5, -2.9, 1.0, "no more"), (0.5, np.nan, 1.0, "untold")],
)  # fmt: skip
def test_verdicts(value: float, z: float, p: float, expected: str) -> None:
    assert verdict(value, NullTest(0.4, 0.1, z, p, 0.1)) == expected


def test_condlora_is_found_equal_under_its_own_convention() -> None:
    adapter = ll.load_adapter(ll.demo_adapter("condlora"))
    analysed = analyse(adapter, None, Request(modules=("value",), draws=3))
    assert analysed.conventions["value"].name == "consistent"
    found = findings(analysed)
    assert {one.verdict for one in found} == {"equal"}
    answers = [group.answer for group in groups(found)]
    assert answers == [
        "Conversion matrices of A and B of value span the same subspace in all layers.",
        "One shared layer captures all of A and B of value.",
    ]
    assert hedge(found, 3) == "Nothing was tested."
    assert {row[-1] for row in glance_table(found).rows} == {"equal"}


def test_findings_agree_with_the_sentences(pair: tuple[Path, Path]) -> None:
    analysed = analyse(ll.load_adapter(pair[0]), None, Request(draws=39))
    for one in analysed.modules:
        assert one.similarity is not None
        sentence = similarity_sentence(one.similarity)
        for finding in findings(analysed):
            if finding.module == one.module and finding.kind == "layers":
                said = {"more": "more alike than", "no more": "no more alike than"}[finding.verdict]
                assert said in sentence


def finding(module: str, matrix: str, p: float, kind: Any = "layers", z: float = 2.0) -> Finding:
    test = NullTest(0.2, 0.01, z, p, 0.05)
    return Finding(module, matrix, "?", kind, 0.24, test, "propagated", verdict(0.24, test), p)


def test_answers_say_how_many_how_much_and_p() -> None:
    more, less, none = finding("q", "A", 0.01), finding("q", "B", 1.0, z=-4), finding("v", "A", 0.3)

    def answer(*found: Finding) -> str:
        return groups(found)[0].answer

    alike = "more alike across layers than random factors through the same W0"
    assert answer(more) == f"A of q is {alike}, by an excess of +0.050 (p = 0.010)."
    assert answer(none) == f"A of v is not found to be {alike} (p = 0.300)."
    assert answer(none, none) == (
        f"None of the 2 tested (A and A of v) is found to be {alike} (p ≥ 0.300)."
    )
    assert answer(more, none) == (
        f"1 of the 2 tested (A of q and v) is {alike}: A of q, by an excess of +0.050 (p = 0.010)."
    )
    assert answer(more, more).startswith(f"All 2 tested (A and A of q) are {alike}, by an excess")
    assert answer(none, less).endswith("; B of q: clearly less than that null.")


def test_the_line_of_a_group_ends_above_all_on_it() -> None:
    assert groups([finding("q", "A", 0.3)])[0].top == 0.5
    high = replace(finding("q", "A", 0.3), value=0.97)
    assert groups([high])[0].top == 1


def test_the_hedge_says_what_is_left_when_corrected() -> None:
    one, two = finding("q", "A", 0.04), finding("q", "B", 0.3)
    said = hedge([replace(one, corrected=0.08), replace(two, corrected=0.3)], 99)
    assert "uncorrected for the 2 tests" in said
    assert "over the 2 tests, 0 of the 1 called “more” remain." in said
    assert "at least 0.010" in said
    assert "Benjamini" not in hedge([two, two], 99)


def test_corrections_are_over_all_findings(pair: tuple[Path, Path]) -> None:
    found = findings(analyse(*map(ll.load_adapter, pair), Request(draws=39)))
    p = sorted(one.test.p for one in found)
    for one in found:  # Benjamini and Hochberg's step-up, written out
        expected = min(q * len(p) / (k + 1) for k, q in enumerate(p) if q >= one.test.p)
        assert one.corrected == pytest.approx(min(1, expected))


def test_answers_name_those_that_are_more(pair: tuple[Path, Path]) -> None:
    analysed = analyse(ll.load_adapter(pair[0]), ll.load_adapter(pair[0]), Request(draws=5))
    answers = {group.question: group.answer for group in groups(findings(analysed))}
    assert answers["Do the two adapters span alike?"] == (
        "The two adapters span the same subspaces in A and B of query and value."
    )


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
    assert "Left out, similarity between layers: " in text
    assert "'consistent'" in text
    assert "Are its conversion matrices alike across layers?" in text
    both = read(write_report(one, tmp_path / "r.html", draws=3)).text
    assert "Left out, similarity" not in both
    assert "stored (value)" in both
    assert "consistent (dense)" in both
    assert "W0⁻ᵀAᵀ" in both


def test_without_a_base_there_are_spectra_alone(tmp_path: Path) -> None:
    one = write_lora(tmp_path / "lora", BertLike(), base="nobody/nothing")
    text = read(write_report(one, tmp_path / "r.html")).text
    assert "nobody/nothing (not on this machine)" in text
    assert "Left out, everything that W0 is needed for:" in text
    assert "What does the spectrum of ΔW look like?" in text
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
    assert "One layer only, so no layers can be compared." in text
    assert "One layer only, so nothing can be shared." in text
    assert " nan" not in text.lower()
    made = section(analyse(ll.load_adapter(one), None, Request(draws=3)).modules[0], "m")
    assert [len(part.figures) for part in made.parts] == [0, 0, 2]  # nothing to draw but spectra


def write_two(folder: Path, one: BertLike, other: BertLike, **settings: Any) -> tuple[Path, Path]:
    base = write_base(folder / "base", one)
    return (
        write_lora(folder / "one", one, base=str(base)),
        write_lora(folder / "other", other, **({"base": str(base), "seed": 8} | settings)),
    )


def test_an_other_with_other_modules_and_ranks(tmp_path: Path) -> None:
    pair = write_two(tmp_path, BertLike(), BertLike(rank=2, modules=("value", "key")))
    text = read(write_report(pair[0], tmp_path / "r.html", pair[1], draws=3)).text
    assert f"Left out, everything between the two adapters: {pair[1]}: no module 'query'" in text
    assert f"{pair[1]} module key {pair[0]} has no such module" in text
    assert "φ between the two adapters by layer, i = 2, j = 2" in text


def test_an_other_with_nothing_in_common_is_found_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = write_two(tmp_path, BertLike(modules=("query",)), BertLike(modules=("value",)))
    monkeypatch.setattr("lora_lens.report.analysis._module", None)  # the work does not begin
    with pytest.raises(LensError, match=r"other has none of the modules .*query.* it has: value"):
        write_report(pair[0], tmp_path / "out" / "r.html", pair[1], draws=3)
    assert not (tmp_path / "out").exists()


def test_an_other_of_another_base_is_said(tmp_path: Path) -> None:
    pair = write_two(tmp_path, BertLike(), BertLike(), base="somebody/else")
    text = read(write_report(pair[0], tmp_path / "r.html", pair[1], draws=3)).text
    assert "The adapters name different base models" in text
    assert "somebody/else" in text


def test_two_condlora_of_one_w0_are_not_called_alike(tmp_path: Path) -> None:
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
    analysed = analyse(*adapters, Request(modules=("value",), draws=19))
    found = [one for one in findings(analysed) if one.kind == "adapters"]
    assert all(one.test.p == 1 / 20 and one.test.z > 10 for one in found)  # though θ is untrained
    assert {one.verdict for one in found} == {"untold"}
    answer = groups(found)[0].answer
    assert "beyond telling" in answer
    assert "same W0" in answer


def test_adapters_of_one_name_are_told_apart(pair: tuple[Path, Path], tmp_path: Path) -> None:
    folders = [tmp_path / seed / "best" for seed in ("seed-1", "seed-2")]
    for source, folder in zip(pair, folders, strict=True):
        shutil.copytree(source, folder)
    made = write_report(folders[0], tmp_path / "r.html", folders[1], draws=3, modules=["value"])
    assert "Adapter seed-1 compared with seed-2" in read(made).text


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
        f"{value:.3f}" for value in (b.values[2], b.significance.p[2], b.significance.p_bh[2])
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
    analysed = analyse(ll.load_adapter(pair[0]), None, Request(draws=3))
    made = section(analysed.modules[0], "module-0")
    assert [part.name for part in made.parts] == [
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
            for mark in (figures.BLUE, figures.ORANGE, figures.GREEN, figures.GREY):
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
    assert result.stdout == ""
    assert "wrote" in result.stderr
    assert [file.name for file in out.parent.iterdir()] == ["r.html"]
    text = read(out).text
    assert (
        f"lora-lens report {pair[0]} {pair[1]} -o {out} --module value --rank 3 --convention auto "
        f"--draws 4 --seed 0 --device auto --dtype float64"
    ) in text
    assert "i = 3, j = 3" in text
    assert "2024-02-29" in text


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--rank", 5], "at most 4"), (["-m", "key"], "key"), (["--device", "x"], "x")],
)
def test_errors_are_one_line_and_nothing_is_written(
    pair: tuple[Path, Path], tmp_path: Path, options: list[Any], word: str
) -> None:
    result = run(pair[0], "-o", tmp_path / "r.html", *options)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert word in result.stderr
    assert list(tmp_path.iterdir()) == []
