"""Outputs are written whole or not at all: into a hidden folder first, moved when all are there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

_READABLE = 0o644


@contextmanager
def staged(out: Path, *, last: str | None = None) -> Iterator[Path]:
    """A folder to write into; its files move to `out` when the block ends well, and vanish otherwise.

    Entered before a long computation, it also finds out early that `out` cannot be written.

    Args:
        out: Made if it is not there; files of the same names are replaced, others left alone.
        last: A file to move after all others, as the sign that the rest is there.

    Raises:
        OutputError: `out` cannot be written.
    """
    created = [folder for folder in (out, *out.parents) if not os.path.lexists(folder)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".lora-lens-", dir=out))
    except OSError as error:
        _remove_empty(created)
        raise OutputError(
            f"cannot write to {out}: {error.strerror or error}; choose another folder"
        ) from None
    done = False
    try:
        yield folder
        files = sorted(folder.iterdir(), key=lambda path: (path.name == last, path.name))
        in_the_way = [file.name for file in files if (out / file.name).is_dir()]
        if in_the_way:
            raise OutputError(f"cannot write {out / in_the_way[0]}: a folder of that name is there")
        for file in files:
            file.chmod(_READABLE)  # safetensors writes for its owner alone
            file.replace(out / file.name)
        done = True
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not done:
            _remove_empty(created)


def _remove_empty(folders: list[Path]) -> None:
    """Remove those of the folders, innermost first, that are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
