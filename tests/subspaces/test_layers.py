"""W0 passes through one chunk of memory, however many layers there are."""

from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora

from lora_lens import conversion_similarity, load_adapter
from lora_lens.subspaces import layers


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_chunks_change_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """The memory of the chunk before is written over; of five layers the last chunk is a smaller one."""
    shape = BertLike(layers=5)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    whole = conversion_similarity(adapter, "value", draws=5)
    monkeypatch.setattr(layers, "_CHUNK_BYTES", at_once * 32 * shape.width**2)
    parts = conversion_similarity(adapter, "value", draws=5)
    for matrix, grid in whole.items():
        np.testing.assert_allclose(parts[matrix].values, grid.values, atol=1e-13)
        for null in ("gaussian", "propagated"):
            np.testing.assert_allclose(
                parts[matrix].baselines[null].mean, grid.baselines[null].mean, atol=1e-7
            )
    np.testing.assert_allclose(parts.condition_number, whole.condition_number, rtol=1e-9)
    w0 = [shape.base[f"{shape.path(k, 'value')}.weight"].double().numpy() for k in range(5)]
    np.testing.assert_allclose(parts.condition_number, [np.linalg.cond(w) for w in w0], rtol=1e-7)
