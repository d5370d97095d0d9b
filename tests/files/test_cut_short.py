"""Files that another process cuts short while they are read: a mapped one ends whoever reads it (SIGBUS), a copied one says so."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from commands import fails, run
from safetensors.torch import save_file

from lora_lens.errors import FileFormatError
from lora_lens.files import mapped
from lora_lens.files.mapped import Content, MappedFile, map_file
from lora_lens.files.pickled import BinFile, load_bin

COUNT = 300_000  # more pages than the system reads at once
NUMBERS = torch.arange(float(COUNT)).reshape(300, 1000)


def safetensors(folder: Path) -> Path:
    save_file({"x": NUMBERS}, folder / "x.safetensors")
    return folder / "x.safetensors"


def zipped(folder: Path) -> Path:
    torch.save({"x": NUMBERS}, folder / "x.bin")
    return folder / "x.bin"


def in_a_row(folder: Path) -> Path:
    torch.save({"x": NUMBERS}, folder / "row.bin", _use_new_zipfile_serialization=False)
    return folder / "row.bin"


def gguf(folder: Path) -> Path:
    library = pytest.importorskip("gguf")
    writer = library.GGUFWriter(folder / "x.gguf", "llama")
    writer.add_type("adapter")
    writer.add_tensor("x", NUMBERS.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "x.gguf"


KINDS = [safetensors, zipped, in_a_row, gguf]
Write = Callable[[Path], Path]
OPENED = """
import json, os, sys
from pathlib import Path
import numpy, torch
from lora_lens.bases.quantised.gguf_file import open_gguf_adapter
from lora_lens.files.mapped import Content, map_file
from lora_lens.files.pickled import load_bin
path, when = Path(sys.argv[1]), sys.argv[2]
opened = {".safetensors": map_file, ".bin": load_bin, ".gguf": open_gguf_adapter}[path.suffix](path)
said = []
if when == "between":
    array, tensor = opened.array("x"), opened.get("x")
    os.truncate(path, 0)
    said += [float(array.sum(dtype=float)), tensor.double().sum().item()]
else:
    own = Content._fill
    def cut(self, found, start):
        os.truncate(path, path.stat().st_size // 2)
        own(self, found, start)
    Content._fill = cut
for read in (opened.get, opened.array):
    try:
        read("x")
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said))
"""


def cut_apart(path: Path, when: str) -> list[object]:
    """What a process of its own says of a file that is cut short then."""
    told = subprocess.run(
        [sys.executable, "-c", OPENED, str(path), when], capture_output=True, text=True, timeout=120, check=True
    )  # fmt: skip
    found: list[object] = json.loads(told.stdout)
    return found


@pytest.mark.parametrize("write", KINDS)
def test_what_was_read_before_a_file_was_cut_short_stays(write: Write, tmp_path: Path) -> None:
    path = write(tmp_path)
    total = COUNT * (COUNT - 1) / 2
    again = f"FileFormatError: {path} was written to while it was read; load it again"
    assert cut_apart(path, "between") == [total, total, again, again]


@pytest.mark.parametrize("write", KINDS)
def test_a_file_that_is_cut_short_while_it_is_read_is_told_in_one_line(
    write: Write, tmp_path: Path
) -> None:
    path = write(tmp_path)
    first, second = cut_apart(path, "while")
    assert first == (
        f"FileFormatError: {path} was cut short while it was read; copy or download it again"
    )
    assert "was written to while it was read" in str(second)


def test_a_command_whose_base_is_cut_short_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = BertLike(layers=2)
    base, lora = write_base(tmp_path / "base", shape), write_lora(tmp_path / "lora", shape)
    file, own = base / "model.safetensors", Content._fill

    def cut(content: Content, *given: object) -> None:
        if content.path == file:
            with file.open("r+b") as stream:
                stream.truncate(1000)
        own(content, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Content, "_fill", cut)
    fails(run("similarity", lora, "--base", base), f"{file} was cut short while it was read")


@pytest.mark.parametrize(("write", "read"), [(safetensors, map_file), (zipped, load_bin)])
def test_very_large_tensors_stay_mapped_and_are_the_same(
    write: Write,
    read: Callable[[Path], MappedFile | BinFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, large = write(tmp_path), 4 * COUNT
    for most, is_mapped in ((large, False), (large - 1, True)):
        monkeypatch.setattr(mapped, "_MOST_COPIED", most)
        opened = read(path)
        assert torch.equal(opened.get("x"), NUMBERS)
        array = opened.array("x")
        assert array is not None
        assert np.array_equal(array, NUMBERS.numpy())
        assert ("pages" in vars(opened.content)) == is_mapped
        opened.release("x")
        opened.get("x")[:] = 7
        assert np.array_equal(read(path).get("x"), NUMBERS)


@pytest.mark.parametrize(("write", "read"), [(safetensors, map_file), (zipped, load_bin)])
def test_some_rows_are_read_without_the_others(
    write: Write,
    read: Callable[[Path], MappedFile | BinFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, own, sizes = read(write(tmp_path)), Content.numbers, []

    def counted(content: Content, start: int, stop: int, size: int) -> object:
        sizes.append(stop - start)
        return own(content, start, stop, size)

    monkeypatch.setattr(Content, "numbers", counted)
    assert torch.equal(opened.rows("x", 7, 9), NUMBERS[7:9])
    assert sizes == [2 * 1000 * 4]
    for first, last in ((0, 300), (299, 400), (5, 5), (400, 500)):
        assert torch.equal(opened.rows("x", first, last), NUMBERS[first:last])


def test_numbers_lie_as_they_would_in_a_mapped_file(tmp_path: Path) -> None:
    """Sums of the same numbers are the same, whatever memory they come into."""
    opened = map_file(safetensors(tmp_path))
    start = opened.entries["x"].start
    for _ in range(5):
        assert opened.get("x").data_ptr() % 64 == start % 64


@pytest.mark.skipif(not hasattr(mapped.os, "pread"), reason="Windows maps what it reads")
def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = map_file(safetensors(tmp_path))

    def failing(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(mapped.os, "preadv", failing)
    with pytest.raises(FileFormatError, match=r"could not be read \(Input/output error\)"):
        opened.get("x")
