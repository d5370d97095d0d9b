"""In a process of its own, which finds this by a name that every process has."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from lora_lens.reproduction.experiment.config import Analysis
from lora_lens.reproduction.runs import analysis


def killed_before_the_checksums(
    folders: Mapping[str, Path], base: str, wanted: Analysis, out: Path
) -> None:
    """An analysis, killed where the record is moved and the checksums are not."""
    replace = Path.replace

    def kill(self: Path, target: Path) -> Path:
        if target.name == analysis.ADAPTERS_NAME:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = kill  # type: ignore[method-assign]
    analysis.analyse(folders, base, wanted, out)
