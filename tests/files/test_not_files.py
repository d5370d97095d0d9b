"""A pipe, a socket, a device, a folder or a link in a circle by an adapter's name is called what it is, and never opened."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkpoints import BertLike, write_base, write_lora
from commands import fails, run

import lora_lens as ll
from lora_lens.errors import LensError
from lora_lens.files.not_files import not_a_file

SHAPE = BertLike(layers=2, width=8, rank=2)


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's address has a hundred letters at most
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


MAKE: dict[str, Callable[[Path], None]] = {
    "a pipe (FIFO)": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link that leads to itself": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
}
SPECIAL = [kind for kind in MAKE if kind != "a folder"]


def _too_long(*_: object) -> None:
    raise TimeoutError("something was opened that is no file")


@pytest.fixture(autouse=True)
def _never_opened() -> Iterator[None]:
    """Whoever opens a pipe waits for its other end."""
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(kind: str, path: Path) -> Path:
    path.unlink(missing_ok=True)
    MAKE[kind](path)
    return path


def said(call: Callable[[], object]) -> str:
    with pytest.raises(LensError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_file_of_an_adapter(name: str, kind: str, tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "lora", SHAPE)
    put(kind, lora / name)
    assert f"{name} is {kind}" in said(lambda: ll.load_adapter(lora))
    for command in ("inspect", "spectrum"):
        fails(run(command, lora), f"{name} is {kind}")


@pytest.mark.parametrize("kind", SPECIAL)
def test_an_adapter_of_nothing_else(kind: str, tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        put(kind, tmp_path / name)
    assert f"adapter_config.json is {kind}" in said(lambda: ll.load_adapter(tmp_path))


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_file_that_is_named_itself_or_lies_alone(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    for name in ("any.safetensors", "any.gguf", "any.bin", "any"):
        path = put(kind, folder / name)
        assert f"{path} is {kind}; expected" in said(lambda path=path: ll.load_adapter(path))
        fails(run("matrix", path, path), f"{path} is {kind}; expected")
    assert f"any.bin, which is {kind}" in said(lambda: ll.load_adapter(tmp_path / "one"))


@pytest.mark.parametrize("kind", MAKE)
def test_a_base_and_its_files(kind: str, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", SHAPE)
    lora = write_lora(tmp_path / "lora", SHAPE, base=str(base))
    for name in ("config.json", "model.safetensors"):
        content = (base / name).read_bytes()
        put(kind, base / name)
        assert f"{name} is {kind}" in said(lambda: ll.open_base(base))
        assert f"{name} is {kind}" in said(lambda: ll.spectrum(lora, beside_w0=True))
        (base / name).rmdir() if kind == "a folder" else (base / name).unlink()
        (base / name).write_bytes(content)
    if kind in SPECIAL:
        path = put(kind, tmp_path / "model.safetensors")
        assert f"is {kind}; pass --base" in said(lambda: ll.open_base(path))


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_run_a_survey_and_a_list_of_adapters(kind: str, tmp_path: Path) -> None:
    path = put(kind, tmp_path / "run")
    assert f"{path} is {kind}; expected a run" in said(lambda: ll.dynamics(path))
    many = tmp_path / "many"
    for k in range(2):
        write_lora(many / str(k), SHAPE, seed=k)
    put(kind, many / "1" / "adapter_model.safetensors")
    found = ll.survey(many, tmp_path / "out", questions="spectrum")
    assert [kind in reason for _, reason in found.failed] == [True]
    listed = put(kind, tmp_path / "list.txt")
    assert f"{listed} is {kind}" in said(lambda: ll.survey(listed, tmp_path / "out"))


def test_files_and_nothing_are_told_nothing_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", "none", "x" * 10_000, "a\x00b"):
        assert not_a_file(tmp_path / name) is None
