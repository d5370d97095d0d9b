"""Checksums of a record are of the adapters that its numbers are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checkpoints import BertLike, write_base, write_lora

from lora_lens.errors import AdapterError
from lora_lens.reproduction.experiment.config import Analysis
from lora_lens.reproduction.runs import analysis


def test_an_adapter_that_is_replaced_while_it_is_analysed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = BertLike(modules=("value",))
    base = str(write_base(tmp_path / "base", shape))
    folders = {"lora": write_lora(tmp_path / "lora", shape, base=base)}
    other = write_lora(tmp_path / "other", shape, base=base, seed=8)

    def replacing(*_: object) -> dict[str, Any]:
        (other / "adapter_model.safetensors").replace(folders["lora"] / "adapter_model.safetensors")
        return {}

    monkeypatch.setattr(analysis, "shared", replacing)
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors was changed while"):
        analysis.analyse(folders, base, Analysis(modules=("value",), draws=2), tmp_path / "out")
    assert not (tmp_path / "out").exists()
