"""A hub id as ADAPTER: from the cache, or downloaded, for the user has named it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoints import BertLike, write_lora
from local_hub import LocalHub, serving


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """Holds some/adapter, another one on its branch ``old``, one below ``best`` and one that is none."""
    served = tmp_path / "served"
    write_lora(served / "some/adapter/main", BertLike(layers=1), base="some/bert")
    write_lora(served / "some/adapter/old", BertLike(layers=2), base="some/bert")
    write_lora(served / "some/run/main/best", BertLike(layers=3), base="some/bert")
    (served / "some/bert/main").mkdir(parents=True)
    (served / "some/bert/main/config.json").write_text("{}")
    with serving(served) as found:
        yield found


def inspect(tmp_path: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, since huggingface_hub reads its settings once."""
    return subprocess.run(
        [sys.executable, "-c", "from lora_lens.cli import main; main()", "inspect", name, "--json"],
        env=os.environ
        | {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )


def test_it_is_downloaded_once_and_then_read_offline(tmp_path: Path, hub: LocalHub) -> None:
    for name, layers in (("some/adapter", 1), ("some/adapter@old", 2), ("some/run/best", 3)):
        done = inspect(tmp_path, name, **hub.environment)
        found = json.loads(done.stdout)
        assert (found["adapter"], len(found["modules"])) == (name, 2 * layers), done.stderr
    hub.asked.clear()
    again = inspect(tmp_path, "some/adapter", HF_HUB_OFFLINE="1")
    assert len(json.loads(again.stdout)["modules"]) == 2
    assert not hub.asked


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("some/bert", "some/bert is no adapter: it holds no adapter_config.json"),
        ("nobody/nothing", "'nobody/nothing' is not a folder, and cannot be had from the hub"),
        ("some/adapter@never", "'some/adapter' has no revision 'never' on the hub"),
        ("served/nothing", "served/nothing is not a folder"),
        ("./nowhere", "nowhere is not a folder"),
    ],
)
def test_what_is_none_is_one_line(tmp_path: Path, hub: LocalHub, name: str, said: str) -> None:
    done = inspect(tmp_path, name, **hub.environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_offline_and_not_in_the_cache_is_one_line(tmp_path: Path) -> None:
    done = inspect(tmp_path, "some/adapter", HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not in the hub's cache, and the hub could not be reached; pass a folder" in done.stderr
    assert done.stderr.count("\n") == 1
