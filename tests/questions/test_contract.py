"""What every question keeps to, so that the command line, the files and the report can rely on it."""

import html
import inspect
import json
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas
import pytest
from checkpoints import BertLike
from every_question import BY_NAME, NAMES, answered, given, takes, write_adapters
from matplotlib.figure import Figure
from rich.console import Console
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.chance.verdict import judge
from lora_lens.cli import app
from lora_lens.questions import QUESTIONS
from lora_lens.questions.question import Question
from lora_lens.show.paper import paper

DESCRIBE = ("grid", "similarity", "outliers")  # they describe, and test nothing
# Of a question whose panels are many and alike, a few: files are as whole with them.
FEW: dict[str, dict[str, Any]] = {"grid": {"matrices": ["A", "delta-left"], "layers": [1]}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapters(tmp_path_factory.mktemp("asked"), BertLike())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of two layers, whose figures have fewer panels."""
    return write_adapters(tmp_path_factory.mktemp("small"), BertLike(layers=2))


def asked(name: str, root: Path, **options: Any) -> Any:
    return answered(name, given(name, root), **options)


@cache
def known(name: str, root: Path) -> Any:
    """The same answer for all that only look at it."""
    return asked(name, root)


def test_every_folder_is_a_question() -> None:
    home = Path(inspect.getfile(import_module("lora_lens.questions"))).parent
    folders = {path.parent.name for path in home.glob("*/__init__.py")}
    assert folders == set(NAMES)
    assert len({question.command for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_its_layers_are_held_and_its_command_is_in_the_readme(name: str) -> None:
    root = Path(inspect.getfile(ll)).parents[1]
    told = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert told.count(f'"lora_lens.questions.{name}",') == 2, "pyproject.toml: two contracts"
    command = f"    lora-lens {BY_NAME[name].command} "
    assert command in (root / "README.md").read_text(encoding="utf-8"), f"README.md lacks {command}"


@pytest.mark.parametrize("name", NAMES)
def test_its_function_is_public(name: str) -> None:
    question = BY_NAME[name]
    assert getattr(ll, question.function) is question.ask
    assert question.asks.endswith("?")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_command_whose_help_begins_with_a_sentence(name: str) -> None:
    found = CliRunner().invoke(app, [BY_NAME[name].command, "--help"])
    assert found.exit_code == 0
    assert "Example: lora-lens " in " ".join(found.output.split())


@pytest.mark.parametrize("name", NAMES)
def test_its_json_is_its_dict(name: str, folder: Path) -> None:
    module = ["--module", "value"] if takes(name, "module") else []
    found = CliRunner().invoke(
        app, [BY_NAME[name].command, *map(str, given(name, folder)), *module, "--json"]
    )
    assert found.exit_code == 0, found.output
    printed = json.loads(found.stdout)
    assert printed == json.loads(json.dumps(json.loads(found.stdout), allow_nan=False))
    assert set(printed) == set(known(name, folder).to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_itself(name: str, folder: Path) -> None:
    result = known(name, folder)
    assert result._repr_html_().startswith("<")
    frame = result.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame)
    assert frame.columns.is_unique
    assert repr(result).startswith("<"), "its dataclass is not `repr=False`"
    assert len(repr(result)) < 700
    assert result == asked(name, folder), "its dataclass is not `eq=False`"


@pytest.mark.parametrize("name", NAMES)
def test_one_sentence_comes_first_everywhere(name: str, folder: Path) -> None:
    question, result = BY_NAME[name], known(name, folder)
    said = result.summary
    assert said.endswith(".")
    assert ". " not in said  # one sentence
    assert "nan" not in said
    shown = {explain: printed(question, result, explain=explain) for explain in (False, True)}
    flat = {explain: " ".join(text.split()) for explain, text in shown.items()}
    assert all(text.startswith(said) for text in flat.values())
    assert result._repr_html_().startswith(f"<p><b>{html.escape(said)}</b></p><table>")
    assert result.to_markdown().startswith(said)
    assert next(iter(result.to_dict().items())) == ("summary", said)
    for line in question.part("tables").legend(result):
        assert " ".join(line.split()) in flat[True]
        assert " ".join(line.split()) not in flat[False]


def printed(question: Question, result: Any, *, explain: bool) -> str:
    console = Console(file=StringIO(), width=100)
    console.print(question.terminal(result, console, explain=explain))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_is_printed_one_way(name: str, folder: Path) -> None:
    """z with its sign; p by itself, with the same decimals, wherever it is no less than so many draws can give."""
    forms = {"z": r"[+-]\d+(\.\d)?|0\.0|–", "p": r"(< 0\.001|[01]\.\d{3})|–"}
    for table in BY_NAME[name].part("tables").tables(known(name, folder)):
        for head, *column in zip(table.head, *table.rows, strict=True):
            if form := forms.get(head):
                assert all(re.fullmatch(form, cell) or not cell for cell in column), (head, column)


@pytest.mark.parametrize("name", NAMES)
def test_one_test_has_one_verdict(name: str, folder: Path) -> None:
    """The verdicts of the JSON are those of the sentence, of p corrected over all that is tested."""
    question, result = BY_NAME[name], known(name, folder)
    found = result.to_dict()
    assert found["version"] == ll.__version__
    assert found["seed"] in (0, None)
    claims = question.claims(result)
    assert [one["about"] for one in found["findings"]] == [one.about for one in claims]
    assert len({one["about"] for one in found["findings"]}) == len(claims)
    for one, verdict in zip(found["findings"], judge([c.trial for c in claims]), strict=True):
        assert set(one) >= {"about", "verdict", "p", "size", "detectable"}
        assert (one["verdict"], one["p"]) == (verdict.word, verdict.p)
        assert (one["p"] <= 0.05) == (one["verdict"] != "not seen")
        assert one["verdict"] != "not seen" or one["detectable"] or "too few" in found["summary"]
        assert " of 1: " in one["size"]
    words = {one["verdict"] for one in found["findings"]}
    for word in ("more", "less"):
        assert (word in words) == (f" {word} " in found["summary"].replace("no more", ""))
    if claims:
        assert found["seed"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_sentence_is_given_findings_where_something_is_tested_and_only_there(
    name: str, folder: Path
) -> None:
    words = BY_NAME[name].part("words")
    tests = hasattr(words, "claims")
    assert list(inspect.signature(words.summary).parameters) == ["result", "findings"][: 1 + tests]
    assert tests or known(name, folder).findings == ()


@pytest.mark.parametrize("name", NAMES)
def test_too_few_draws_claim_nothing(name: str, folder: Path) -> None:
    if not takes(name, "draws") or name == "spectrum":
        pytest.skip("it draws nothing that is tested")
    result = asked(name, folder, draws=2)
    assert {one.word for one in result.findings} <= {"not seen"}
    assert {one.verdict.detectable for one in result.findings} <= {None}
    assert ("nothing could be found" in result.summary) is (name not in DESCRIBE)
    if name == "outliers":  # which is about random factors
        with pytest.raises(ll.LensError, match="at least 2"):
            asked(name, folder, draws=0)
        return
    bare = asked(name, folder, draws=0)
    assert bare.findings == ()
    assert "more" not in bare.summary


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_that_no_generator_takes_is_refused(name: str, folder: Path) -> None:
    if not takes(name, "seed"):
        pytest.skip("it draws nothing")
    for seed in (-1, 2**63):  # the command's bounds, too
        with pytest.raises(ll.LensError, match=f"seed is {seed}; expected"):
            asked(name, folder, seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_its_files_are_whole_and_the_same_each_time(name: str, small: Path, tmp_path: Path) -> None:
    """Whether the question writes its answer or the answer saves itself."""
    few = FEW.get(name, {})
    result = asked(name, small, **few)
    (tmp_path / "written").mkdir()
    names = {
        "written": BY_NAME[name].write(result, tmp_path / "written"),
        "saved": asked(name, small, **few).save(tmp_path / "saved"),
    }
    files = {
        copy: {path.name: path.read_bytes() for path in (tmp_path / copy).iterdir()}
        for copy in names
    }
    assert files["written"] == files["saved"]
    assert sorted(names["written"]) == sorted(names["saved"]) == sorted(files["saved"])
    endings = {Path(each).suffix for each in files["saved"]}
    assert {".json", ".csv", ".md", ".tex", ".png", ".svg", ".pdf"} <= endings
    assert all(files["saved"].values())
    assert "\\begin{tabular}" in result.to_latex()


@cache
def drawn(name: str, root: Path) -> tuple[dict[str, Figure], bool]:
    """Its figures, and whether matplotlib's settings were afterwards what they had been."""
    before = mpl.rcParams.copy()
    figures = BY_NAME[name].figures(known(name, root))
    return figures, mpl.rcParams == before


@pytest.mark.parametrize("name", NAMES)
def test_its_figures_touch_no_global_state(name: str, folder: Path) -> None:
    figures, untouched = drawn(name, folder)
    assert "" in figures
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert untouched


def test_one_figure_is_drawn_where_one_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets = counted(monkeypatch, "lora_lens.show.drawing.with_matplotlib.sheet")
    result = known("similarity", folder)
    assert isinstance(result.plot(), Figure)
    assert len(sheets) == 1
    BY_NAME["similarity"].figure(result, "-figure1")
    assert len(sheets) == 2
    with pytest.raises(ll.LensError, match="no figure '-figure2'; it has '', '-figure1'"):
        BY_NAME["similarity"].figure(result, "-figure2")


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("name", ["comparison", "shared"])
def test_what_is_tested_is_judged_once(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = asked(name, folder)
    judged = counted(monkeypatch, "lora_lens.show.findings.found")
    result.save(tmp_path / "saved")
    assert result._repr_html_()
    assert len(judged) == 1
    assert result.findings


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """What a function is called with from now on."""
    module, _, function = name.rpartition(".")
    real, calls = getattr(import_module(module), function), []

    def counting(one: object, **options: Any) -> Any:
        calls.append(one)
        return real(one, **options)

    monkeypatch.setattr(name, counting)
    return calls


@pytest.mark.parametrize("width", [None, "3.25in"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_its_figures_say_is_cut(name: str, width: str | None, folder: Path) -> None:
    on = paper(width)
    with on.settings():
        if width is None:
            figures, _ = drawn(name, folder)
        else:
            figures = BY_NAME[name].figures(known(name, folder), on)
        for stem, figure in figures.items():
            figure.draw_without_rendering()
            legends = [one for ax in figure.axes if (one := ax.get_legend()) is not None]
            titles = [ax.title for ax in figure.axes]
            said = [*figure.texts, *figure.legends, *legends, *titles]
            edges = [one.get_window_extent() for one in said if one.get_visible()]
            assert min(box.x0 for box in edges) >= -1, stem
            assert max(box.x1 for box in edges) <= figure.bbox.width + 1, stem


def test_what_is_written_or_shown_in_a_notebook_needs_no_rich(folder: Path) -> None:
    """Which is what prints on a terminal, and draws from Python's random numbers as it is imported."""
    shown = (
        "import sys, tempfile, lora_lens as ll\n"
        "from lora_lens.questions import QUESTIONS\n"
        f"result = ll.inspect({str(folder / 'one')!r})\n"
        "result._repr_html_(); result.to_markdown(); result.to_latex(); result.save(tempfile.mkdtemp())\n"
        "for question in QUESTIONS: question.part('tables')\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", shown], check=True)
