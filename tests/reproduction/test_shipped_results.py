"""The results that the documentation shows are those that their records hold."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.errors import SettingsError
from lora_lens.questions.comparison.figures import comparison_sheet
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.numbers.table3 import recorded_comparison
from lora_lens.reproduction.runs import analysis
from lora_lens.reproduction.runs.collect import collect
from lora_lens.reproduction.runs.steps import plan
from lora_lens.show.drawing.with_matplotlib import sheet

RESULTS = Path(__file__).parents[2] / "docs" / "results"
_MADE = ("results.md", "tables")


@pytest.fixture(scope="module", params=["minilm", "mpnet", "adalora"])
def again(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The page and its tables, made anew from a copy of the records by the command that the page names."""
    name = request.param
    out = tmp_path_factory.mktemp("again") / name
    shutil.copytree(RESULTS / name, out, ignore=shutil.ignore_patterns(*_MADE))
    with pytest.MonkeyPatch.context() as patch:
        # The adapters beside the records need their base model: nothing of these is opened.
        patch.setattr(analysis, "load_adapter", None)
        result = CliRunner().invoke(app, ["reproduce", name, "--out", str(out), "--print"])
    assert result.exit_code == 0, result.stderr
    return RESULTS / name, out, result.stdout


def test_every_step_of_minilm_is_recorded() -> None:
    steps = list(plan(read_config("minilm"), RESULTS / "minilm"))
    assert len(steps) == 48  # 4 tasks: 2 searches, 6 runs, a comparison and 3 analyses each
    # They are from before answers were kept row by row.
    assert {step.kind for step in steps if not step.written} == {"pairs"}


def test_the_page_is_that_of_the_records(again) -> None:
    shipped, remade, _ = again
    assert (remade / "results.md").read_text() == (shipped / "results.md").read_text()


@pytest.mark.parametrize(
    ("name", "training", "said"),
    [
        ("minilm", {"head": "mean"}, "head = 'zero', the configuration says 'mean'"),
        ("mpnet", {"stop_after": 1.0}, "stop_after = None, the configuration says 1.0"),
    ],
)
def test_records_that_do_not_say_a_setting_are_of_what_was_before_it(
    name: str, training: dict[str, Any], said: str
) -> None:
    """The page's table of how runs were made is the configuration's: it would say what was not so."""
    config = read_config(name)
    other = replace(config, training=dict(config.training) | training)
    with pytest.raises(SettingsError, match=f"was made with {said}"):
        collect(other, RESULTS / name)


_NUMBER = re.compile(r"\d+\.\d{6,}(?:e-?\d+)?")  # as CSV has them, whole


def test_the_tables_are_those_of_the_records(again) -> None:
    shipped, remade, printed = again
    here, there = (
        {path.name: path.read_text() for path in folder.glob("tables/*")}
        for folder in (shipped, remade)
    )
    assert there.keys() == here.keys()
    for name, text in here.items():
        assert _NUMBER.sub("#", there[name]) == _NUMBER.sub("#", text), name
        # Last digits are those of SciPy's version.
        numbers = (list(map(float, _NUMBER.findall(one))) for one in (there[name], text))
        np.testing.assert_allclose(*numbers, rtol=1e-9, atol=1e-15, err_msg=name)
        if name.endswith(".md"):
            assert text in printed
            assert text.strip() in (shipped / "results.md").read_text() or name.startswith(
                "conversions-"
            )


def test_the_figures_are_those_of_the_records(again) -> None:
    """By their words: where numbers stand on an axis is matplotlib's version's."""
    shipped, remade, _ = again
    drawn = sorted(path.name for path in (remade / "figures").glob("*.svg"))
    assert {"scores.svg", "curves.svg"} <= set(drawn)
    for name in drawn:
        here, there = (words_in(folder / "figures" / name) for folder in (shipped, remade))
        assert there == here, name
        assert there, name


@pytest.mark.parametrize(
    ("name", "alone"), [("minilm", True), ("mpnet", False), ("adalora", False)]
)
def test_table_3_is_drawn_of_its_record_and_says_what_it_stands_beside(
    name: str, alone: bool
) -> None:
    """minilm's record is older than flips; mpnet's has them, and its figure had not."""
    record = analysis.read_analysis(RESULTS / name / "analyses" / "stsb-0")
    for module, one in record.items():
        drawn = sheet(comparison_sheet(recorded_comparison(one["comparison"])))
        (ax,) = drawn.axes
        np.testing.assert_array_equal(
            ax.lines[0 if alone else 1].get_ydata(), one["comparison"]["matrices"]["A"]["phi"]
        )
        labels = {text.get_text() for text in ax.get_legend().get_texts()}
        assert ("A flipped, ± 2 sd" in labels) != alone
        assert drawn.get_supxlabel().startswith("Beside unrelated subspaces alone") == alone
        assert (RESULTS / name / "figures" / f"table3-compare-{module}.png").exists()


def words_in(path: Path) -> list[str]:
    texts = re.findall(r"<text[^>]*>([^<]*)", path.read_text("utf-8"))
    return [text for text in texts if re.search("[a-z]", text)]


def test_figures_are_as_wide_and_in_the_style_that_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "adalora"
    shutil.copytree(RESULTS / "adalora", out, ignore=shutil.ignore_patterns("figures"))
    given = ["reproduce", "adalora", "--out", str(out), "--print"]
    result = CliRunner().invoke(app, [*given, "--width", "3.25in", "--style", "dark_background"])
    assert result.exit_code == 0, result.stderr
    for name in ("scores", "curves", "figure1-similarity-value"):
        if not name.startswith("figure1"):
            assert 'width="234pt"' in (out / "figures" / f"{name}.svg").read_text("utf-8")
        with Image.open(out / "figures" / f"{name}.png") as picture:
            assert picture.width == 975
            assert picture.convert("RGB").getpixel((0, 0)) == (0, 0, 0)
    wrong = CliRunner().invoke(app, [*given, "--width", "3"])
    assert wrong.exit_code == 1
    assert "with its unit" in wrong.stderr


def test_the_page_names_only_figures_that_are_there(again) -> None:
    shipped, _, _ = again
    page = (shipped / "results.md").read_text()
    named = [
        line.rsplit("(", 1)[1].rstrip(")") for line in page.splitlines() if line.startswith("![")
    ]
    assert [name for name in named if not (shipped / name).exists()] == []
    assert not set(page) & set("{}$")  # no directive, no role, no formula: it reads as it stands


def test_no_record_names_a_machine() -> None:
    for path in RESULTS.rglob("*.json"):
        text = path.read_text()
        assert '"/' not in text, f"{path} holds an absolute path"
        assert "../" not in text, f"{path} holds a relative path"


def test_the_pages_command_makes_it_again_with_a_margin_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lora_lens.reproduction.page.results.sheet", lambda *_, **__: Figure(figsize=(1, 1))
    )
    out = tmp_path / "minilm"
    shutil.copytree(RESULTS / "minilm", out)
    made = CliRunner().invoke(
        app, ["reproduce", "minilm", "--out", str(out), "--print", "--margin", "2.5"]
    )
    assert made.exit_code == 0, made.stderr
    page = (out / "results.md").read_text()
    assert "    lora-lens reproduce minilm --out FOLDER --print --margin 2.5\n" in page
    assert "equivalent within 2.5" in page or "within 2.5 points" in page
    assert "--margin" not in (RESULTS / "minilm" / "results.md").read_text()


def test_what_cannot_be_printed_again(tmp_path: Path) -> None:
    def said(folder: Path, *more: str) -> str:
        result = CliRunner().invoke(
            app, ["reproduce", "minilm", "--out", str(folder), "--print", *more]
        )
        assert result.exit_code == 1
        assert result.stdout == ""
        return result.stderr.strip()

    assert said(tmp_path / "none").endswith("is not there; give the folder of minilm by --out")
    (tmp_path / "other").write_text("")
    assert "holds no finished step of minilm" in said(tmp_path)
    for margin in ("0", "-2", "nan"):
        line = said(RESULTS / "minilm", "--margin", margin)
        assert "the margin of equivalence is" in line
        assert len(line.splitlines()) == 1


@pytest.mark.parametrize("other", ["mpnet", "paper"])
def test_runs_of_another_base_are_not_printed_as_of_this_one(other: str, tmp_path: Path) -> None:
    out = tmp_path / "minilm"
    shutil.copytree(RESULTS / "minilm", out)
    result = CliRunner().invoke(app, ["reproduce", other, "--out", str(out), "--print"])
    assert result.exit_code == 1
    assert f"holds runs of sentence-transformers/all-MiniLM-L6-v2, and {other} is" in result.stderr
    for path in ("results.md", "tables/table2.md"):
        assert (out / path).read_text() == (RESULTS / "minilm" / path).read_text()


def test_an_empty_folder_says_that_nothing_is_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reproduce", "mpnet", "--out", str(tmp_path), "--print"])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"wrote {tmp_path / 'results.md'}\n"
    page = (tmp_path / "results.md").read_text()
    assert "0 of 41 steps are done" in page
    assert page.count("Nothing of this is there yet.") == 7
