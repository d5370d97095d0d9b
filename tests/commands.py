"""Commands as people type them, in this process; and how every one of them fails."""

from typer.testing import CliRunner, Result

from lora_lens.cli import app


def run(*arguments: object) -> Result:
    """`lora-lens` with these words."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def fails(result: Result, *words: str) -> None:
    """Exit 1, nothing on standard output, and one line that holds these words."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("lora-lens: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
