"""What was uploaded → a folder with an adapter's files and nothing else. Nothing in it is executed."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import AdapterError, LensError, OutputError
from ..files.peft_names import CONFIG
from ..files.run_names import RECORD

_EXPECTED = "expected adapter_model.safetensors with adapter_config.json, or a zip of them"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_WORDS = (CONFIG, RECORD, "README.md")
_BLOCK = 1 << 20
# Their decompressors stop where they are told to; those of the others unpack a member whole.
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OTHERS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd"}
_DIRECTORY = 1 << 20  # bytes of a zip's list of members, which is read whole


def adapter_folder(files: Sequence[Path], into: Path, most_bytes: int) -> Path:
    """Copy an adapter's files out of what was uploaded.

    Only their names decide what is taken, and only the last part of a name is used, so that nothing in
    an archive can be written elsewhere; links in it are never followed.

    Args:
        files: As uploaded: the adapter's files, or one zip of them.
        into: An empty folder, in which the adapter's is made.
        most_bytes: That all of it may have, unpacked.

    Returns:
        The adapter's folder in `into`.

    Raises:
        AdapterError: It is something else, too large, or would have to be unpickled.
    """
    if len(files) == 1 and files[0].suffix.lower() == ".zip":
        folder = into / _plain(files[0].stem)
        folder.mkdir()
        _unzip(files[0], folder, most_bytes)
    else:
        folder = into / "upload"
        folder.mkdir()
        left = most_bytes
        for path in files:
            with path.open("rb") as stream:
                left -= _copy(stream, folder / _checked(path.name), left)
    names = {path.name for path in folder.iterdir()}
    if not any(name.endswith(".safetensors") for name in names):
        raise AdapterError(f"there is no .safetensors file in what was uploaded; {_EXPECTED}")
    return folder


def _checked(name: str) -> str:
    """The last part of a name, if an adapter has such a file."""
    last = PurePosixPath(name.replace("\\", "/")).name
    if last.lower().endswith(_PICKLES):
        raise AdapterError(
            f"{last} is a pickle, which can run code when it is read, and is not taken; save the adapter "
            f"as safetensors"
        )
    if not (last in _WORDS or last.endswith((".safetensors", ".safetensors.index.json"))):
        raise AdapterError(f"{last} is no file of an adapter; {_EXPECTED}")
    return _plain(last)


def _plain(name: str) -> str:
    """A file's name of letters that mean nothing to any file system."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[-100:].lstrip(".")
    return kept or "upload"


def _unzip(path: Path, folder: Path, most_bytes: int) -> None:
    left = most_bytes
    try:
        with _Archive(path) as file, zipfile.ZipFile(file) as archive:
            for member in _members(archive):
                name = _checked(member.filename)
                if member.compress_type not in _PACKINGS:
                    how = _OTHERS.get(member.compress_type, f"method {member.compress_type}")
                    raise AdapterError(
                        f"{name} is packed by {how}; expected a zip of stored or deflated files, as zip makes it "
                        f"by default"
                    )
                with archive.open(member) as stream:
                    left -= _copy(stream, folder / name, left)
    except LensError:
        raise
    except Exception:  # zipfile raises whatever broken bytes lead it and its decompressors to
        raise AdapterError(f"{path.name} is no zip that can be read; {_EXPECTED}") from None


class _Archive(io.FileIO):
    """A file that gives so much at once and no more: zipfile reads as long a list of members as a file says it has."""

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes.

        Raises:
            AdapterError: More are asked for at once than a list of an adapter's files has.
        """
        most = _DIRECTORY + 1
        block = super().read(most if size is None or not 0 <= size < most else size)
        if len(block) == most:
            raise AdapterError(f"the zip lists more files than an adapter has; {_EXPECTED}")
        return block


def _members(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """The adapter's files of an archive: those beside its first weights; what else lies in it is left."""
    pickles = [one for one in archive.infolist() if one.filename.lower().endswith(_PICKLES)]
    weights = [one for one in archive.infolist() if one.filename.endswith(".safetensors")]
    if pickles and not weights:
        _checked(pickles[0].filename)
    folders = {str(PurePosixPath(one.filename).parent) for one in weights}
    if len(folders) > 1:
        raise AdapterError(f"the zip has several adapters, in {', '.join(sorted(folders)[:4])}")
    for one in archive.infolist():
        here = PurePosixPath(one.filename)
        ends = here.name.endswith((".safetensors", ".safetensors.index.json"))
        if str(here.parent) in folders and (ends or here.name in _WORDS):
            yield one


def _copy(stream: IO[bytes], to: Path, left: int) -> int:
    """Bytes written; counted as they come, for an archive may lie about its sizes."""
    if to.exists():
        raise AdapterError(f"{to.name} was uploaded twice")
    written = 0
    with to.open("wb") as out:
        while block := stream.read(_BLOCK):
            written += len(block)
            if written > left:
                raise AdapterError(
                    "what was uploaded is larger than is allowed here; analyse it by `lora-lens report`, "
                    "or start `lora-lens serve` with a larger --limit"
                )
            try:
                out.write(block)
                out.flush()
            except OSError as error:
                raise OutputError(
                    f"what was uploaded cannot be kept: {error.strerror}; try again later, or analyse it by "
                    f"`lora-lens report`"
                ) from None
    return written


def forget(folder: Path) -> None:
    """Delete a folder and all in it."""
    shutil.rmtree(folder, ignore_errors=True)
