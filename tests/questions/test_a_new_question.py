"""CONTRIBUTING.md's question, as it stands there: put where the page says, its commands are typed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import BertLike, write_base, write_lora

import lora_lens
from lora_lens.terminal.for_paper import for_paper
from lora_lens.terminal.with_rename import with_rename

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
SHAPE = BertLike()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with that question in it, and an adapter ``ckpt``."""
    root = tmp_path_factory.mktemp("added")
    package = root / "lora_lens"
    shutil.copytree(
        Path(lora_lens.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    example = re.compile(r"```python\n# (lora_lens/questions/norms/\w+\.py)\n(.*?)```", re.DOTALL)
    for name, code in example.findall(PAGE.read_text("utf-8")):
        file = root / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(code, "utf-8")
    insert(package / "questions/__init__.py", "from . import (\n", "    norms,\n")
    insert(package / "questions/__init__.py", "QUESTIONS = (\n", "    norms.QUESTION,\n")
    insert(package / "__init__.py", "_HOMES = {\n", '    "norms": ".questions.norms.analysis",\n')
    write_lora(root / "ckpt", SHAPE, base=str(write_base(root / "base", SHAPE)))
    return root


def insert(file: Path, after: str, line: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(after) == 1
    file.write_text(text.replace(after, after + line), "utf-8")


def typed(home: Path, *words: str) -> str:
    """What the command line prints, in a process of its own."""
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "lora_lens", *words], cwd=home, text=True, capture_output=True,
        check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_every_part_that_the_page_names(home: Path) -> None:
    parts = {path.stem for path in (home / "lora_lens/questions/norms").glob("*.py")}
    assert parts == {
        "__init__", "analysis", "result", "words", "tables", "terminal", "figures", "command",
    }  # fmt: skip


def test_it_is_a_command_among_the_others(home: Path) -> None:
    assert re.search(r"^ +norms +How large B is", typed(home, "--help"), re.MULTILINE)
    own = typed(home, "norms", "--help")
    assert "Example: lora-lens norms" in own
    assert "--width" in own, "which --out brings"
    assert "--rename" not in own, "which is of a base"


def test_it_answers_and_writes(home: Path, tmp_path: Path) -> None:
    made = json.loads(typed(home, "norms", "ckpt", "--json", "--out", str(tmp_path)))
    expected = [
        SHAPE.adapter[f"base_model.model.bert.{SHAPE.path(k, 'value')}.lora_B.weight"].norm().item()
        for k in range(SHAPE.layers)
    ]
    assert [each["norm"] for each in made["layers"]] == pytest.approx(expected)
    assert made["findings"] == []
    assert {path.name for path in tmp_path.iterdir()} == {
        f"norms-value.{ending}" for ending in ("csv", "json", "md", "tex", "png", "svg", "pdf")
    }
    assert typed(home, "norms", "ckpt").splitlines()[0] == made["summary"]


def test_the_other_commands_are_as_before(home: Path) -> None:
    found = json.loads(typed(home, "inspect", "ckpt", "--json"))
    assert {each["module"] for each in found["modules"]} == {"query", "value"}


def test_a_command_without_out_and_base_stays_as_it_is() -> None:
    def run(adapter: str) -> None:
        del adapter

    assert for_paper(run) is run
    assert with_rename(run) is run
