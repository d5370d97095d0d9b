"""Nothing is trained, searched or reproduced into the folder of the base that is trained on, nor over the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run
from tiny_base import write_tiny_base


def state(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("below", ["", "run"])
@pytest.mark.parametrize("name", ["train", "search", "reproduce"])
def test_a_base_stays_as_it_is(name: str, below: str, tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    before = state(tmp_path / "base")
    rows, config = tmp_path / "rows.csv", tmp_path / "mine.toml"
    rows.write_text("text,label\n" + "".join(f"word {k},{k % 2}\n" for k in range(40)))
    config.write_text(
        f'name = "mine"\nbase = "{base}"\nmethods = ["lora"]\nseeds = [0]\n[tasks.rte]\n'
    )
    words = [
        "--task", "mine", "--train", rows, "--test", rows, "--text", "text", "--label", "label", "--base", base,
        "--epochs", 1, "--lr", "1e-3",
    ]  # fmt: skip
    if name == "search":
        words = words[:-2]
    given = [config, "--data", tmp_path] if name == "reproduce" else words
    done = run(name, *given, "--cpu", "--out", Path(base) / below)
    assert done.exit_code == 2, (done.output, done.exc_info)
    assert (
        "which is read, and would be written into" in done.stderr
        or "read, and would" in done.stderr
    )
    assert done.stderr.count("\n") == 1
    assert state(tmp_path / "base") == before
