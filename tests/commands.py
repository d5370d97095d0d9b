"""Commands as people type them, in this process or one of its own; and how every one of them fails."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from forking import forking
from typer.testing import CliRunner, Result

from lora_lens.cli import app, main


def run(*arguments: object) -> Result:
    """`lora-lens` with these words."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def run_apart(
    folder: Path, *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same in this folder and a process of its own, since huggingface_hub reads its settings once; its cache is here.

    torch and the commands are there as it starts: loading them is most of what it would take.
    """
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as streams:
        settings = {"HF_HUB_CACHE": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1"} | environment
        process = forking("torch", "lora_lens.cli").Process(
            target=_in_a_process, args=(words, folder, dict(os.environ) | settings, Path(streams))
        )
        process.start()
        process.join()
        said = [(Path(streams) / name).read_text("utf-8") for name in _STREAMS]
    return subprocess.CompletedProcess(words, process.exitcode or 0, *said)


def _in_a_process(
    arguments: list[str], folder: Path, environment: dict[str, str], streams: Path
) -> None:
    """The command with these streams, as the shell starts it."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, name in zip((sys.stdout, sys.stderr), _STREAMS, strict=True):
        stream.flush()
        with (streams / name).open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["lora-lens", *arguments]
    main()


_STREAMS = ("stdout", "stderr")


def fails(result: Result, *words: str) -> None:
    """Exit 1, nothing on standard output, and one line that holds these words."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("lora-lens: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
