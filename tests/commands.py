"""Commands as people type them, in this process or one of its own; and how every one of them fails."""

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from lora_lens.cli import app


def run(*arguments: object) -> Result:
    """`lora-lens` with these words."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def run_apart(
    folder: Path, *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same in this folder and a process of its own, since huggingface_hub reads its settings once; its cache is here."""
    return subprocess.run(
        [sys.executable, "-c", "from lora_lens.cli import main; main()", *map(str, arguments)],
        env=os.environ
        | {"HF_HUB_CACHE": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1"}
        | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def fails(result: Result, *words: str) -> None:
    """Exit 1, nothing on standard output, and one line that holds these words."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("lora-lens: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
