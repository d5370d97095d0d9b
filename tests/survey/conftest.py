"""Adapters by the dozen."""

from pathlib import Path

import pytest
from forking import forking
from made_runs import write_adapter

from lora_lens.survey import running


@pytest.fixture
def dozen(tmp_path: Path) -> Path:
    """A folder of twelve unrelated adapters."""
    for k in range(12):
        write_adapter(tmp_path / "runs" / f"seed-{k}", seed=k)
    return tmp_path / "runs"


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that have what a place needs before they begin, where it is not asked how they begin."""
    monkeypatch.setattr(running, "get_context", lambda _: forking("lora_lens.survey.place"))
