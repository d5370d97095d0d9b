"""``--quiet`` before the command or behind it: no messages; what goes wrong is still said."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app

ADAPTER = str(ll.demo_adapter("lora"))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--quiet", "inspect", ADAPTER, "--out"),
        ("-q", "inspect", ADAPTER, "--out"),
        ("inspect", ADAPTER, "-q", "--out"),
        ("inspect", "--quiet", ADAPTER, "--out"),
    ],
)
def test_wherever_it_stands(arguments: tuple[str, ...], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    code, said, told = run(*arguments, out)
    assert (code, told) == (0, "")
    assert "query" in said
    assert (tmp_path / "out" / "inspect.json").is_file()
    other = [one for one in arguments if one not in ("-q", "--quiet")]
    assert run(*other, out)[2].startswith("wrote ")  # and it holds for one command alone


def test_errors_are_said_and_names_after_two_dashes_are_names(tmp_path: Path) -> None:
    code, _, told = run("inspect", "-q", str(tmp_path / "none"))
    assert code == 1
    assert told.startswith("lora-lens: ")
    code, _, told = run("inspect", "--", "-q")
    assert code == 1
    assert "-q" in told
