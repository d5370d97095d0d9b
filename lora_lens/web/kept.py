"""What Gradio keeps of uploads: taken from it at once, and deleted when nobody waits for it any more."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .uploads import forget


class Uploads:
    """Each visitor's files, in a folder of their own.

    Gradio names an upload by its content, so that two visitors with the same adapter have one file: it
    goes when the last of them has been answered. A visitor's own requests come in any order (an analysis
    may be asked for before the list of uploads has been told), and end with nothing left all the same.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._taken: dict[str, tuple[Path, list[str]]] = {}
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, visitor: str, paths: Sequence[str]) -> list[Path]:
        """A visitor's files, taken into a folder of their own, and their older ones forgotten.

        Raises:
            OSError: Gradio has lost one; then nothing of the visitor is kept.
        """
        with self._lock:
            if visitor not in self._taken or self._taken[visitor][1] != [*paths]:
                before = self._taken.pop(visitor, None)
                try:
                    if paths:
                        self._link(visitor, paths)
                finally:
                    self._drop(before)
            return self._files(visitor)

    def forget(self, visitor: str) -> None:
        """Delete them, and Gradio's own where nobody else waits for it."""
        with self._lock:
            self._drop(self._taken.pop(visitor, None))

    def _link(self, visitor: str, paths: Sequence[str]) -> None:
        self._waiting.update(paths)
        try:
            folder = Path(tempfile.mkdtemp(prefix="taken-", dir=self.root))
        except OSError:
            self._let_go(paths)
            raise
        self._taken[visitor] = folder, [*paths]
        try:
            for k, path in enumerate(paths):
                within = folder / str(k)  # two files may have one name
                within.mkdir()
                _linked(path, within / Path(path).name)
        except OSError:
            self._drop(self._taken.pop(visitor))
            raise

    def _files(self, visitor: str) -> list[Path]:
        if visitor not in self._taken:
            return []
        folder, paths = self._taken[visitor]
        return [folder / str(k) / Path(path).name for k, path in enumerate(paths)]

    def _drop(self, taken: tuple[Path, list[str]] | None) -> None:
        if taken is None:
            return
        folder, paths = taken
        self._let_go(paths)
        forget(folder)

    def _let_go(self, paths: Sequence[str]) -> None:
        """Delete Gradio's own files that nobody else waits for."""
        self._waiting.subtract(paths)
        for path in set(paths):
            if self._waiting[path] <= 0:
                del self._waiting[path]
                Path(path).unlink(missing_ok=True)


def _linked(path: str, to: Path) -> None:
    """One file under another name too, or its copy."""
    try:
        os.link(path, to)
    except OSError:  # no links on this file system
        shutil.copyfile(path, to)
