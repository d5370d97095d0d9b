"""A folder holds one answer under one name: no file of an earlier one lies beside it as if it were of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checkpoints import BertLike, random, write_base
from every_question import NAMES, answered, given, takes, write_adapters
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.errors import LensError

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapters(tmp_path_factory.mktemp("several"), BertLike())


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of one layer."""
    return write_adapters(tmp_path_factory.mktemp("single"), BertLike(layers=1))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def check(earlier: Any, later: Any, folder: Path) -> set[str]:
    """That what is left is the later one's; what is gone."""
    earlier.save(folder / "both")
    before = names(folder / "both")
    written = set(later.save(folder / "both"))
    assert names(folder / "both") == written
    return before - written


@pytest.mark.parametrize("name", NAMES)
def test_of_one_layer_after_one_of_several(
    name: str, several: Path, single: Path, tmp_path: Path
) -> None:
    few = {"draws": 20} if takes(name, "draws") else {}
    try:
        later = answered(name, given(name, single), **few)
    except LensError:
        pytest.skip("it asks nothing of one layer")
    gone = check(answered(name, given(name, several), **few), later, tmp_path)
    expected = {
        "shared": {"shared-value-predicted.csv"},
        "magnitude": {"magnitude-value-correlations.csv"},
    }
    assert gone == expected.get(name, set())


def test_of_what_was_trained_in_full_after_an_adapters(several: Path, tmp_path: Path) -> None:
    shape = BertLike()
    tensors = {f"{shape.path(k, 'value')}.weight": random(24, 24, seed=k) for k in range(3)}
    tuned = write_base(tmp_path / "tuned", shape, tensors)
    later = ll.inspect(ll.load_adapter(tuned, several / "base"))
    gone = check(ll.inspect(several / "one"), later, tmp_path)
    assert gone == {f"inspect.{ending}" for ending in ("png", "svg", "pdf")}


def test_the_command_says_what_it_removes_and_removes_no_other(
    several: Path, tmp_path: Path
) -> None:
    def run(*options: str) -> str:
        command = ["spectrum", str(several / "one"), "--module", "value", "--out", str(tmp_path)]
        found = CliRunner().invoke(app, [*command, *options])
        assert found.exit_code == 0, found.output
        return found.stderr

    others = {"spectrum-query-intruders.csv", "spectrum-value-intruders.txt"}
    for other in others:
        (tmp_path / other).touch()
    assert "removed" not in run()
    assert "removed" not in run()
    before = names(tmp_path)
    said = run("--no-w0")
    gone = [f"spectrum-value-intruders.{ending}" for ending in ("csv", "pdf", "png", "svg")]
    assert f"removed {', '.join(gone)}, which an earlier result had and this one has not" in said
    assert before - names(tmp_path) == set(gone)
    assert others <= names(tmp_path)
