from __future__ import annotations

import pytest
import torch

from lora_lens.core.computing.waiting import wait


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_device_that_works_by_itself_is_waited_for(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(getattr(torch, kind), "synchronize", lambda *of: asked.append(of))
    wait(torch.device("cpu"))
    assert asked == []
    wait(torch.device(kind))
    assert len(asked) == 1
