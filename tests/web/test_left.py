"""What a killed page has left goes when the next one starts, and nothing else does."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest

from lora_lens.locked import held
from lora_lens.web.left import own_folder

from .asking import JOIN, asked, call, the
from .conftest import begin, serving
from .test_calls import upload

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no folder is held there")


def left(within: Path, name: str, *, mark: bool = True) -> Path:
    folder = within / name
    folder.mkdir(mode=0o700)
    (folder / "adapter_model.safetensors").write_bytes(b"x")
    if mark:
        (folder / ".lora-lens-serve").touch()
    return folder


def test_only_folders_that_are_surely_a_dead_pages_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = left(tmp_path, "lora-lens-web-abcd_123")
    alive = left(tmp_path, "lora-lens-web-abcd_124")
    kept = [
        left(tmp_path, "lora-lens-web-abcd_125", mark=False), left(tmp_path, "lora-lens-web-of-mine"),
        left(tmp_path, "lora-lens-other-abcd_12"), left(tmp_path, "mine"),
    ]  # fmt: skip
    (tmp_path / "lora-lens-web-linked_0").symlink_to(left(tmp_path, "elsewhere"))
    other = left(tmp_path, "lora-lens-web-abcd_126", mark=False)
    (other / ".lora-lens-serve").write_text("of somebody else's making")
    with held(alive) as own:
        assert own
        with own_folder() as folder:
            assert tempfile.gettempdir() == str(folder)
            assert not dead.exists()
            with own_folder():  # in the first, as a page that is started by a page
                assert folder.exists()
    for one in (alive, other, *kept, tmp_path / "elsewhere"):
        assert (one / "adapter_model.safetensors").exists()
    assert (tmp_path / "lora-lens-web-linked_0").is_symlink()
    assert not folder.exists()
    assert tempfile.gettempdir() == str(tmp_path)


def test_two_pages_at_once_leave_each_others_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with own_folder() as one:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with own_folder() as other:
            assert one.exists()
            assert other.parent == one.parent == tmp_path


def test_uploads_of_a_killed_page_go_when_the_next_starts(tmp_path: Path) -> None:
    """Its process that analyses ends by itself."""
    psutil = pytest.importorskip("psutil")
    page = begin(tmp_path)
    try:
        (kept,) = json.loads(upload(page).body)
        assert asked(page, JOIN, call(the(page, 4), [None, "/no/such", "", ""])).status == 200
        workers = []
        while not workers:
            workers = psutil.Process(page.process.pid).children(recursive=True)
    finally:
        page.process.kill()
        page.process.communicate()
    assert Path(kept).exists()
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert alive == []
    with serving(tmp_path) as again:
        assert not Path(kept).exists()
        (folder,) = tmp_path.glob("lora-lens-web-*")
        assert Path(json.loads(upload(again).body)[0]).is_relative_to(folder)
