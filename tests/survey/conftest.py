"""Adapters by the dozen."""

from pathlib import Path

import pytest
from made_runs import write_adapter


@pytest.fixture
def dozen(tmp_path: Path) -> Path:
    """A folder of twelve unrelated adapters."""
    for k in range(12):
        write_adapter(tmp_path / "runs" / f"seed-{k}", seed=k)
    return tmp_path / "runs"
