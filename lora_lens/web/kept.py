"""What Gradio keeps of uploads: taken from it at once, and deleted when nobody waits for it any more."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from .uploads import forget


class Uploads:
    """Each visitor's files, in a folder of their own.

    Gradio names an upload by its content, so that two visitors with the same adapter have one file: it
    goes when the last of them has been answered.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, paths: Sequence[str]) -> str:
        """Have files in a new folder of their own; its name."""
        folder = Path(tempfile.mkdtemp(prefix="taken-", dir=self._root))
        with self._lock:
            for k, path in enumerate(paths):
                within = folder / str(k)  # two files may have one name
                within.mkdir()
                _link(path, within / Path(path).name)
                self._waiting[path] = self._waiting.get(path, 0) + 1
        (folder / "names").write_text("\0".join(paths), encoding="utf-8")
        return str(folder)

    def files(self, folder: str) -> list[Path]:
        """The files that were taken, in their order."""
        here = Path(folder)
        return [next(one.iterdir()) for one in sorted(here.iterdir()) if one.is_dir()]

    def forget(self, folder: str) -> None:
        """Delete them, and Gradio's own where nobody else waits for it."""
        if not folder or not Path(folder).exists():
            return
        names = (Path(folder) / "names").read_text(encoding="utf-8").split("\0")
        with self._lock:
            for path in names:
                self._waiting[path] = self._waiting.get(path, 1) - 1
                if self._waiting[path] <= 0:
                    del self._waiting[path]
                    Path(path).unlink(missing_ok=True)
        forget(Path(folder))


def _link(path: str, to: Path) -> None:
    try:
        os.link(path, to)
    except OSError:  # no links on this file system
        shutil.copyfile(path, to)
