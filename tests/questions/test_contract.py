"""What every question keeps to, so that the command line, the files and the report can rely on it."""

import inspect
import json
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas
import pytest
from checkpoints import BertLike, write_base, write_lora
from matplotlib.figure import Figure
from rich.console import Console
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.questions import QUESTIONS
from lora_lens.questions.question import Question

NAMES = [question.name for question in QUESTIONS]
BY_NAME = {question.name: question for question in QUESTIONS}
_PAIR = {"comparison", "grid", "matrix"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters on one base, and a run of two checkpoints."""
    root = tmp_path_factory.mktemp("asked")
    shape = BertLike()
    write_base(root / "base", shape)
    for name in ("one", "other", "run/checkpoint-1", "run/checkpoint-2"):
        write_lora(
            root / name, shape, base=str(root / "base"), seed=len(name) + int(name[-1] == "2")
        )
    return root


def arguments(name: str, root: Path) -> list[str]:
    """What is typed after the command."""
    if name == "dynamics":
        return [str(root / "run")]
    return [str(root / "one")] + ([str(root / "other")] if name in _PAIR else [])


def asked(name: str, root: Path) -> Any:
    ask = BY_NAME[name].ask
    if name == "dynamics":
        return ask(root / "run", "value")
    if name == "matrix":
        return ask([root / "one", root / "other"], "value")
    adapters = [ll.load_adapter(path) for path in arguments(name, root)]
    return ask(*adapters) if name == "inventory" else ask(*adapters, "value")


def test_every_folder_is_a_question() -> None:
    home = Path(inspect.getfile(import_module("lora_lens.questions"))).parent
    folders = {path.parent.name for path in home.glob("*/__init__.py")}
    assert folders == set(NAMES)
    assert len({question.command for question in QUESTIONS}) == len(QUESTIONS)


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
    module = [] if name == "inventory" else ["--module", "value"]
    found = CliRunner().invoke(
        app, [BY_NAME[name].command, *arguments(name, folder), *module, "--json"]
    )
    assert found.exit_code == 0, found.output
    printed = json.loads(found.stdout)
    assert printed == json.loads(json.dumps(json.loads(found.stdout), allow_nan=False))
    assert set(printed) == set(asked(name, folder).to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_itself(name: str, folder: Path) -> None:
    question, result = BY_NAME[name], asked(name, folder)
    assert result._repr_html_().startswith("<")
    frame = result.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame)
    assert frame.columns.is_unique
    said = question.summary(result)
    assert said.endswith(".")
    assert "nan" not in said
    console = Console(file=StringIO(), width=100)
    console.print(question.terminal(result, console))
    assert console.file.getvalue().strip()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_its_files_are_whole_and_the_same_each_time(
    name: str, folder: Path, tmp_path: Path
) -> None:
    question = BY_NAME[name]
    written = []
    for copy in ("first", "second"):
        (tmp_path / copy).mkdir()
        names = question.write(asked(name, folder), tmp_path / copy)
        assert sorted(names) == sorted(path.name for path in (tmp_path / copy).iterdir())
        written.append({each: (tmp_path / copy / each).read_bytes() for each in names})
    assert written[0] == written[1]
    endings = {Path(each).suffix for each in written[0]}
    assert {".json", ".csv", ".md", ".tex", ".png", ".svg"} <= endings
    assert all(written[0].values())


@pytest.mark.parametrize("name", NAMES)
def test_its_figures_touch_no_global_state(name: str, folder: Path) -> None:
    before = mpl.rcParams.copy()
    figures = BY_NAME[name].part("plots").figures(asked(name, folder))
    assert "" in figures
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert mpl.rcParams == before


def test_a_question_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONTRIBUTING.md's example: a question in six small files, and the line that names it."""
    parts = {
        "__init__": (
            "from lora_lens.questions.question import Question\n"
            "QUESTION = Question(__name__, 'norms', 'How large is each layer?', 'norms')\n"
        ),
        "result": (
            "from dataclasses import dataclass\n"
            "from lora_lens.labelled import Tidy\n"
            "@dataclass(frozen=True)\n"
            "class Norms(Tidy):\n"
            "    values: tuple\n"
            "    notes: tuple = ()\n"
            "    stem = 'norms'\n"
            "    def rows(self): return [{'layer': k, 'norm': v} for k, v in enumerate(self.values)]\n"
            "    def to_dict(self): return {'norms': list(self.values)}\n"
        ),
        "analysis": (
            "from .result import Norms\n"
            "def norms(adapter, module):\n"
            "    return Norms(tuple(adapter.modules[module].b.norm(dim=(1, 2)).tolist()))\n"
        ),
        "words": "def summary(result): return f'The largest is {max(result.values):.1f}.'\n",
        "tables": (
            "from lora_lens.show.layout import Table\n"
            "from lora_lens.show.text import as_csv\n"
            "def tables(result): return [Table('Norms', ['norm'], [[f'{v:.2f}'] for v in result.values])]\n"
            "def texts(result): return {'.csv': as_csv(result.rows())}\n"
            "def terminal(result, console): return f'{len(result.values)} layers'\n"
        ),
        "plots": "def figures(result): return {}\n",
        "command": (
            "from . import QUESTION\n"
            "from lora_lens.terminal.options import AdapterFolder, Json, Module, Out\n"
            "from lora_lens.terminal.printing import report\n"
            "def run(adapter: AdapterFolder, module: Module = 'value', as_json: Json = False, out: Out = None) -> None:\n"
            "    'How large is each layer?'\n"
            "    from lora_lens import load_adapter\n"
            "    report(lambda: QUESTION.ask(load_adapter(adapter), module), QUESTION, as_json=as_json, out=out)\n"
        ),
    }
    home = tmp_path / "asked_in_a_test"
    home.mkdir()
    for name, text in parts.items():
        (home / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    question: Question = import_module("asked_in_a_test").QUESTION
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    import typer

    one = typer.Typer()
    one.command(question.command)(question.run)
    found = CliRunner().invoke(
        one, [str(tmp_path / "lora"), "--json", "--out", str(tmp_path / "out")]
    )
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.stdout)["norms"]) == shape.layers
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "norms.csv", "norms.json", "norms.md", "norms.tex"
    }  # fmt: skip
