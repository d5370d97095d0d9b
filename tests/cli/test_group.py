"""What people try before they know a command."""

import re

import pytest
from typer.testing import CliRunner

from lora_lens import __version__
from lora_lens.cli import app


def run(*args: str):
    return CliRunner().invoke(app, list(args))


def test_the_version_is_printed() -> None:
    found = run("--version")
    assert (found.exit_code, found.stdout) == (0, f"lora-lens {__version__}\n")


@pytest.mark.parametrize("command", [(), ("similarity",), ("report",), ("train",)])
def test_h_is_help(command: tuple[str, ...]) -> None:
    short, long = run(*command, "-h"), run(*command, "--help")
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    assert "-h, --help" in short.stdout


def test_the_list_of_commands_ends_no_sentence_in_the_middle() -> None:
    """“How alike are conversion matrices across layers? φ of...”."""
    shown = run("--help").stdout
    assert "..." not in shown.partition("Commands:")[2]
    assert "grid           How many top directions are shared? φ(i, j) for every i and" in shown


@pytest.mark.parametrize(("command", "other"), [("compare", "intruder"), ("spectrum", "null")])
def test_w0_is_read_for_what_the_command_does_with_it(command: str, other: str) -> None:
    _, _, w0 = run(command, "--help").stdout.partition("--w0 / --no-w0")
    assert w0.split()[:4] == ["Read", "W0", "too,", "for"]
    assert other not in w0.partition("  --")[0]


def test_a_shell_can_complete_commands() -> None:
    found = CliRunner().invoke(
        app,
        [],
        prog_name="lora-lens",
        env={
            "_LORA_LENS_COMPLETE": "complete_bash",
            "COMP_WORDS": "lora-lens sim",
            "COMP_CWORD": "1",
        },
    )
    assert "similarity" in found.stdout


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        # In the words of today's typer, or of the one before, which had them from click.
        ("--seed", "-1", "expected at least 0|not in the range 0<="),
        ("--seed", "x", "expected a whole number|not a valid int"),
        ("--ridge", "x", "expected a number|not a valid float"),
        ("--side", "up", "'up' is not one of 'left', 'right'"),
    ],
)
def test_a_wrong_value_is_said_in_plain_words(option: str, given: str, said: str) -> None:
    found = run("similarity", "adapter", option, given)
    assert found.exit_code == 2
    assert re.search(said, found.output)
    assert "Input should" not in found.output
    assert "Value error" not in found.output
