"""Files of a folder by name, and no link out of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileFormatError
from .not_files import not_a_file

# Gives the path of a file by its name, or None where there is none; a local folder, or a hub's cache.
FindFile = Callable[[str], Path | None]


@dataclass(frozen=True)
class LocalFiles:
    """Files of a folder, by name.

    Attributes:
        folder: It.
        asked: The file that was asked for by its own name, if one was.
        within: Whether a link that leads elsewhere is refused whatever it leads to, as in an adapter's
            folder; else it may lead to a file of its own name. Those of the hub's cache lead to its ``blobs``.
    """

    folder: Path
    asked: str | None = None
    within: bool = False

    def __call__(self, name: str) -> Path | None:
        """Path of the file, or None where there is none.

        Raises:
            FileFormatError: It is a link out of the folder, where a stranger's may lead anywhere; or a folder, a pipe, a socket,
                a device or a link that leads to itself.
        """
        path = self.folder / name
        if not os.path.isfile(path):  # noqa: PTH113  (a name that is too long, or no name, is no file)
            if path != self.folder and (what := not_a_file(path, folder=True)):
                raise FileFormatError(f"{path} is {what}, expected a file: put that there")
            return None
        if name != self.asked and self._leads_out(path):
            raise FileFormatError(
                f"{path} is a link to {os.path.realpath(path)}, outside its folder; refusing to follow it: put "
                f"the file itself there"
            )
        return path

    def _leads_out(self, path: Path) -> bool:
        real, home = Path(os.path.realpath(path)), Path(os.path.realpath(self.folder))
        if home in real.parents:
            return False
        cached = real.parent.name == "blobs" and real.parent.parent.name.startswith("models--")
        return not cached and (self.within or real.name != path.name)
