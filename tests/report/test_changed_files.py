"""A checksum on a page is of what was read, though another file lies there when the page is made."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import lora_lens as ll
from lora_lens.report import provenance

CHANGED = "not hashed: written to after it was opened"
NAMES = ("adapter_config.json", "adapter_model.safetensors", "model.safetensors")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def copied(pair: tuple[Path, Path], tmp_path: Path) -> Path:
    """The first adapter beside its base, where they may be written to."""
    shutil.copytree(pair[0], tmp_path / "one")
    shutil.copytree(pair[0].parent / "base", tmp_path / "base")
    return tmp_path


def replace(file: Path) -> None:
    """Other bytes under the same name; what was opened stays as it was for whoever has it open."""
    new = file.with_name("new")
    if file.suffix == ".safetensors":
        save_file({name: -tensor for name, tensor in load_file(file).items()}, new)
    else:
        new.write_bytes(file.read_bytes() + b" ")
    new.replace(file)


def append(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b" ")


@pytest.mark.parametrize("changed", NAMES)
def test_what_was_replaced_meanwhile_has_no_checksum(copied: Path, changed: str) -> None:
    files = {
        name: copied / ("base" if name == "model.safetensors" else "one") / name for name in NAMES
    }
    before, done = {name: digest(file) for name, file in files.items()}, False

    def replacing(_: float, __: float) -> None:
        nonlocal done
        if not done:
            done = True
            replace(files[changed])

    out = ll.report(
        copied / "one", out=copied / "r.html", base=copied / "base", module="value", draws=3,
        progress=replacing,
    )  # fmt: skip
    assert done
    page = out.read_text(encoding="utf-8")
    for name, file in files.items():
        assert (before[name] in page) == (name != changed)
        assert (digest(file) in page) == (name != changed)
    assert page.count(f"{CHANGED}<") == 1
    assert (
        f"Warning: {changed} of {files[changed].parent} was written to, replaced or removed" in page
    )


@pytest.mark.parametrize("change", [replace, append, Path.unlink])
def test_it_is_compared_with_what_an_adapter_was_loaded_from(
    copied: Path, change: Callable[[Path], None]
) -> None:
    adapter = ll.load_adapter(copied / "one", copied / "base")
    change(copied / "one" / "adapter_config.json")
    page = ll.report(adapter, out=copied / "r.html", module="value", draws=3).read_text("utf-8")
    assert page.count(f"{CHANGED}<") == 1
    assert digest(copied / "one" / "adapter_model.safetensors") in page


def test_what_is_too_large_to_be_hashed_is_compared_too(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "LARGEST_HASHED", 1)
    adapter = ll.load_adapter(copied / "one", copied / "base")
    replace(copied / "one" / "adapter_model.safetensors")
    page = ll.report(adapter, out=copied / "r.html", module="value", draws=3).read_text("utf-8")
    assert page.count(f"{CHANGED}<") == 1
    assert page.count("not hashed: 0.0 GiB in all<") == 1
    assert digest(copied / "one" / "adapter_config.json") in page
