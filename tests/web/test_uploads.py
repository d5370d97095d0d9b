"""What may be uploaded, and where it goes; nothing here needs Gradio."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import shutil
import tracemalloc
import zipfile
from pathlib import Path, PureWindowsPath
from random import Random

import pytest
import torch
from huggingface_hub import constants
from real_adapters import kept
from safetensors.torch import save_file

import lora_lens as ll
from lora_lens.errors import AdapterError, LensError
from lora_lens.files.locate import local_folder
from lora_lens.web import answering
from lora_lens.web import places as places_module
from lora_lens.web.answering import Asked, answer
from lora_lens.web.kept import Uploads
from lora_lens.web.places import Places
from lora_lens.web.uploads import adapter_folder

LIMIT = 10_000_000
DEMO = ll.demo_adapter("lora")
FILES = [DEMO / "adapter_config.json", DEMO / "adapter_model.safetensors"]
EVERYWHERE = Places.of("127.0.0.1", None)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def whole() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in FILES}


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def test_files_and_a_zip_are_the_adapter(into: Path, tmp_path: Path) -> None:
    folder = adapter_folder(FILES, into, LIMIT)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole()
    members = {f"deep/in/{name}": data for name, data in whole().items()} | {"other.txt": b"x"}
    folder = adapter_folder([zipped(tmp_path / "mine.zip", members)], into, LIMIT)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole()
    assert folder.name == "mine"


@pytest.mark.parametrize("prefix", ["../../", "/tmp/", "a/../../b/", "..\\..\\", "C:\\"])
def test_a_zip_writes_nowhere_else(prefix: str, into: Path, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if path != into}
    members = {f"{prefix}{name}": data for name, data in whole().items()}
    bad = zipped(tmp_path / "bad.zip", members)
    folder = adapter_folder([bad], into, LIMIT)
    assert folder.parent == into
    assert all(path.is_relative_to(into) for path in set(tmp_path.rglob("*")) - before - {bad})
    assert all(path.is_file() and not path.is_symlink() for path in folder.iterdir())


def test_a_link_in_a_zip_is_not_followed(into: Path, tmp_path: Path) -> None:
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("adapter_model.safetensors")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    folder = adapter_folder([path], into, LIMIT)
    (made,) = folder.iterdir()
    assert not made.is_symlink()
    assert made.read_bytes() == b"/etc/passwd"


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.path,))  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.PT", "x.pkl"])
def test_pickles_are_refused_and_not_read(name: str, into: Path, tmp_path: Path) -> None:
    data = pickle.dumps(Harm(tmp_path / "harmed"))
    path = tmp_path / name
    path.write_bytes(data)
    for files in (
        [path, FILES[0]], [path, *FILES],
        [zipped(tmp_path / "z.zip", {name: data, "adapter_config.json": b"{}"})],
    ):  # fmt: skip
        shutil.rmtree(into)
        into.mkdir()
        with pytest.raises(AdapterError, match="is a pickle"):
            adapter_folder(files, into, LIMIT)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("notes.txt", b"hello", r"notes.txt is no file of an adapter; expected adapter_model"),
        ("a.zip", b"PK no", "no zip that can be read"),
        ("adapter_config.json", b"{}", "no .safetensors file"),
    ],
)
def test_something_else_is_one_line(
    name: str, data: bytes, words: str, tmp_path: Path, into: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(AdapterError, match=words):
        adapter_folder([path], into, LIMIT)


def test_too_much_is_refused_however_it_is_packed(into: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="larger than is allowed"):
        adapter_folder(FILES, into, 1000)
    bomb = zipped(tmp_path / "bomb.zip", {"adapter_model.safetensors": bytes(50_000_000)})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(AdapterError, match="larger than is allowed"):
        adapter_folder([bomb], into, LIMIT)
    assert sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) <= LIMIT + 300_000


@pytest.mark.parametrize(
    ("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")]
)
def test_what_only_unpacks_whole_is_refused_before_it_is_unpacked(
    method: int, name: str, into: Path, tmp_path: Path
) -> None:
    """A thousand bytes of these are gigabytes in memory before the first can be counted."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("adapter_model.safetensors", bytes(100_000_000))
    told = f"adapter_model.safetensors is packed by {name}; expected a zip of stored or deflated"
    tracemalloc.start()
    try:
        with pytest.raises(AdapterError, match=told) as raised:
            adapter_folder([path], into, LIMIT)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("method", "name"), [(9, "deflate64"), (93, "zstd"), (97, "method 97")])
def test_so_is_a_packing_that_zipfile_may_not_know(
    method: int, name: str, into: Path, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "new.zip", whole())
    data = path.read_bytes()
    for at, field in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        for start in (found.start() for found in re.finditer(re.escape(at), data)):
            data = data[: start + field] + method.to_bytes(2, "little") + data[start + field + 2 :]
    path.write_bytes(data)
    with pytest.raises(AdapterError, match=f"is packed by {name}; expected a zip of stored"):
        adapter_folder([path], into, LIMIT)


def test_a_header_that_says_little_gives_no_more(into: Path, tmp_path: Path) -> None:
    """What is unpacked is counted, whatever size the archive states."""
    path = zipped(tmp_path / "bomb.zip", {"adapter_model.safetensors": bytes(50_000_000)})
    data, size = path.read_bytes(), (50_000_000).to_bytes(4, "little")
    assert data.count(size) == 2
    for stated in (1000, LIMIT - 1, 4_000_000_000):
        path.write_bytes(data.replace(size, stated.to_bytes(4, "little")))
        shutil.rmtree(into)
        into.mkdir()
        with pytest.raises(AdapterError, match=r"larger than is allowed|no zip that can be read"):
            adapter_folder([path], into, LIMIT)
        assert sum(one.stat().st_size for one in into.rglob("*") if one.is_file()) <= LIMIT


def test_a_zip_of_tens_of_thousands_of_names_is_refused_before_they_are_read(
    into: Path, tmp_path: Path
) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(30_000):
            archive.writestr(f"{k}.safetensors", b"")
    with pytest.raises(AdapterError, match="lists more files than an adapter has"):
        adapter_folder([path], into, LIMIT)


def test_two_adapters_in_a_zip_are_refused(into: Path, tmp_path: Path) -> None:
    both = {f"{one}/{name}": data for one in "ab" for name, data in whole().items()}
    with pytest.raises(AdapterError, match="several adapters, in a, b"):
        adapter_folder([zipped(tmp_path / "two.zip", both)], into, LIMIT)


def test_folders_are_open_where_they_may_be(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "way-out").symlink_to("/")
    assert EVERYWHERE.adapter(str(tmp_path)) == str(tmp_path)
    rooted = Places.of("0.0.0.0", tmp_path)
    assert rooted.adapter(str(inside)) == str(inside)
    for places in (rooted, Places.of("0.0.0.0", None)):
        for typed in ("/etc", str(tmp_path / "in/../.."), str(tmp_path / "way-out" / "etc"), "."):
            with pytest.raises(AdapterError, match="not open to it"):
                places.adapter(typed)
            with pytest.raises(AdapterError, match="not open to it"):
                places.base(typed)
        assert places.adapter("owner/name@main") == "owner/name@main"
        assert places.base("owner/name") == "owner/name"
        for typed in ("/no/such", "../x", "a b", "http://x/y", "x\0y"):
            with pytest.raises(AdapterError, match="neither"):
                places.adapter(typed)


class WindowsPath(PureWindowsPath):
    def resolve(self) -> WindowsPath:
        return self


def test_every_drive_of_this_machine_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has a root to each, so that no one folder holds all others."""
    monkeypatch.setattr(places_module, "Path", WindowsPath)
    Places.of("127.0.0.1", None).check(WindowsPath("D:/adapters/lora"))
    rooted = Places.of("127.0.0.1", WindowsPath("D:/adapters"))
    rooted.check(WindowsPath("d:/Adapters/lora"))
    with pytest.raises(AdapterError, match="not open to it"):
        rooted.check(WindowsPath("C:/adapters/lora"))


CLOSED = Places.of("0.0.0.0", None)


def uploaded(folder: Path, config: dict[str, object], weights: Path = FILES[1]) -> list[Path]:
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return [folder / "adapter_config.json", weights]


@pytest.mark.parametrize("named", ["{here}/base", "~/base", "base", "base@main"])
def test_an_upload_names_no_folder_that_a_visitor_may_not(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    config = json.loads(FILES[0].read_text("utf-8"))
    base = named.format(here=tmp_path)
    files = uploaded(tmp_path, config | {"base_model_name_or_path": base})
    for asked in (Asked(files, "", "", "value"), Asked(FILES, "", base, "value")):
        told = answer(asked, CLOSED, LIMIT, tmp_path)
        assert "not open to it" in told.error
        assert not told.page


def test_nor_by_another_formats_word_for_its_base(tmp_path: Path) -> None:
    """AdapterHub's ``model_name``: what opens a base asks, not what reads a configuration."""
    kept("adapterhub", tmp_path)
    own = tmp_path / "adapter"
    config = json.loads((own / "adapter_config.json").read_text("utf-8"))
    weights = own / "adapter.safetensors"
    if not weights.exists():
        save_file(torch.load(own / "pytorch_adapter.bin", weights_only=True), weights)
    files = uploaded(tmp_path, config | {"model_name": str(tmp_path / "base")}, weights)
    assert "not open to it" in answer(Asked(files, "", "", "query"), CLOSED, LIMIT, tmp_path).error
    files = uploaded(tmp_path, config | {"model_name": "no/such"}, weights)
    told = answer(Asked(files, "", "", "query"), CLOSED, LIMIT, tmp_path)
    assert "no/such" in told.error + told.page
    assert "not open to it" not in told.error + told.page


def test_nor_does_an_adapter_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may type its id may have written its configuration."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository, commit = tmp_path / "cache" / "models--some--adapter", "a1" * 20
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    base = tmp_path / "base"
    shutil.copytree(local_folder("sentence-transformers/all-MiniLM-L6-v2"), base)
    config = json.loads(FILES[0].read_text("utf-8")) | {"base_model_name_or_path": str(base)}
    (snapshot / "adapter_config.json").write_text(json.dumps(config))
    shutil.copy(FILES[1], snapshot)
    asked = Asked([], "some/adapter", "", "value")
    for closed in (CLOSED, Places.of("0.0.0.0", snapshot)):
        told = answer(asked, closed, LIMIT, tmp_path)
        assert "not open to it" in told.error
        assert not told.page
    assert "not open to it" not in answer(asked, EVERYWHERE, LIMIT, tmp_path).error


def test_what_the_machines_own_adapter_names_is_its_owners_affair(tmp_path: Path) -> None:
    """An adapter in the folder that is open may have its base outside of it."""
    pytest.importorskip("plotly")
    base = tmp_path / "outside"
    shutil.copytree(local_folder("sentence-transformers/all-MiniLM-L6-v2"), base)
    inside = tmp_path / "open" / "adapter"
    inside.mkdir(parents=True)
    config = json.loads(FILES[0].read_text("utf-8")) | {"base_model_name_or_path": str(base)}
    uploaded(inside, config)
    shutil.copy(FILES[1], inside)
    told = answer(
        Asked([], str(inside), "", "value"), Places.of("0.0.0.0", inside.parent), LIMIT, tmp_path
    )
    assert not told.error
    assert str(base) in told.page


def test_nothing_is_left_of_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(adapter: str, *args: object, **options: object) -> None:
        assert Path(adapter).is_dir()
        raise RuntimeError(f"in {adapter}\nand more")

    monkeypatch.setattr(answering, "make_report", failing)
    told = answer(Asked(FILES, "", "", ""), EVERYWHERE, LIMIT, tmp_path)
    assert told.error == "unexpected RuntimeError: in upload and more"
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("LORA_LENS_TRACEBACK", "1")
    assert answer(Asked(FILES, "", "", ""), EVERYWHERE, LIMIT, tmp_path).error == told.error
    assert "in failing" in capsys.readouterr().err
    both = answer(Asked(FILES, str(DEMO), "", ""), EVERYWHERE, LIMIT, tmp_path)
    assert "expected one of the two" in both.error
    assert "no adapter" in answer(Asked([], "", "", ""), EVERYWHERE, LIMIT, tmp_path).error


def test_an_upload_is_answered_and_no_path_of_it_is_told(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    told = answer(Asked(FILES, "", "", "value"), EVERYWHERE, LIMIT, tmp_path)
    assert not told.error
    assert "more than chance" in told.summary
    assert "lora-lens-" not in told.page
    assert "/upload" not in told.page


@pytest.fixture
def gradios(tmp_path: Path) -> Path:
    """A file as Gradio keeps it."""
    path = tmp_path / "hash" / "adapter_model.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"x")
    return path


def left(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() or path.name.startswith("taken-")]


def test_two_visitors_with_one_file_have_it_until_both_are_answered(
    gradios: Path, tmp_path: Path
) -> None:
    uploads = Uploads(tmp_path)
    uploads.take("one", [str(gradios)])
    (two,) = uploads.take("two", [str(gradios)])
    uploads.forget("one")
    assert gradios.exists()
    assert two.read_bytes() == b"x"
    uploads.forget("two")
    uploads.forget("two")
    assert left(tmp_path) == []


def test_a_visitors_requests_in_any_order_leave_nothing(gradios: Path, tmp_path: Path) -> None:
    """The analysis may be asked for before the list of uploads has been told, or while it is."""
    uploads = Uploads(tmp_path)
    (first,) = uploads.take("one", [str(gradios)])
    (again,) = uploads.take("one", [str(gradios)])  # the list's, which came late
    assert first == again
    uploads.forget("one")
    assert left(tmp_path) == []
    with pytest.raises(OSError, match="No such file"):
        uploads.take("one", [str(gradios)])  # later still
    assert left(tmp_path) == []


def test_another_list_replaces_the_first(gradios: Path, tmp_path: Path) -> None:
    other = gradios.with_name("adapter_config.json")
    other.write_bytes(b"{}")
    uploads = Uploads(tmp_path)
    uploads.take("one", [str(other)])
    files = uploads.take("one", [str(gradios), str(gradios)])
    assert [path.read_bytes() for path in files] == [b"x", b"x"]
    assert not other.exists()
    assert uploads.take("one", []) == []
    assert left(tmp_path) == []


def test_a_file_that_is_lost_leaves_nothing_of_those_before(gradios: Path, tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    uploads.take("one", [str(gradios)])
    with pytest.raises(OSError, match="No such file"):
        uploads.take("one", [str(gradios.with_name("gone"))])
    assert left(tmp_path) == []


def test_where_no_folder_can_be_made_nothing_is_kept(
    gradios: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = Uploads(tmp_path)

    def full(**_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", full)
        with pytest.raises(OSError, match="No space left"):
            uploads.take("one", [str(gradios)])
    assert left(tmp_path) == []


def test_a_full_disk_is_no_lost_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was uploaded, and the page said that it is lost."""

    def full(**_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.mkdtemp", full)
    asked = Asked([], str(DEMO), "", "query")
    told = answer(asked, EVERYWHERE, LIMIT, tmp_path)
    assert told.error == "nothing can be written on the page's machine: No space left on device"


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_of_changed_bytes_is_read_or_refused(method: int, tmp_path: Path) -> None:
    """zipfile and its decompressors raise errors of many kinds, words that are no UTF-8 among them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("é/adapter_model.safetensors", b"x" * 500)
        archive.writestr("é/adapter_config.json", FILES[0].read_bytes())
    whole, rng, refused = stream.getvalue(), Random(method), 0
    path, into = tmp_path / "a.zip", tmp_path / "into"
    for _ in range(200):
        changed = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 4])):
            end = rng.choice([60, len(whole)])  # half of them in the first header
            changed[rng.randrange(end)] = rng.choice([0, 255, 128, rng.randrange(256)])
        path.write_bytes(changed)
        into.mkdir()
        try:
            adapter_folder([path], into, LIMIT)
        except AdapterError:
            refused += 1
        shutil.rmtree(into)
    assert refused > 20


def test_a_disk_that_is_full_is_not_said_of_the_zip(
    into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = zipped(tmp_path / "mine.zip", whole())
    real = Path.open

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(self: Path, *given: str, **named: str) -> object:
        return Full() if into in self.parents else real(self, *given, **named)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(LensError, match="cannot be kept: No space left"):
        adapter_folder([made], into, LIMIT)
