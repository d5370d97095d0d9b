"""Where a command's files go, and how its figures are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..show.paper import PLAIN, Paper


@dataclass(frozen=True)
class Output:
    """A folder, and the paper that figures in it are drawn for."""

    folder: Path
    paper: Paper = PLAIN

    def __str__(self) -> str:
        return str(self.folder)
