from pathlib import Path

import numpy as np
import pytest
import torch

import lora_lens as ll
from lora_lens.subspaces import spool as spools
from lora_lens.subspaces.spool import Spool


@pytest.mark.parametrize("most", [1 << 24, 100])
def test_gives_back_what_it_was_given(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_IN_MEMORY", most)
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(k, 9, generator=generator).double() for k in (2, 0, 3, 1)]
    with Spool(9, torch.float64) as spool:
        for rows in given:
            spool.add(rows.mT.contiguous().mT)
        assert all(torch.equal(*pair) for pair in zip(spool.every(), given, strict=True))
        assert torch.equal(spool.rows(range(1, 3)), given[2])
        assert len(spool.rows(range(1, 2))) == 0


def test_many_adapters_are_put_on_disk_and_nothing_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [ll.demo_adapter("lora"), ll.demo_adapter("condlora")]
    expected = ll.adapter_matrix(adapters, draws=0).values
    monkeypatch.setattr(spools, "_IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rolled: list[bool] = []
    every = Spool.every

    def watched(spool: Spool) -> list[torch.Tensor]:
        rolled.append(spool._file._rolled)  # type: ignore[attr-defined]
        return every(spool)

    monkeypatch.setattr(Spool, "every", watched)
    np.testing.assert_array_equal(ll.adapter_matrix(adapters, draws=0).values, expected)
    assert rolled == [True] * 6
    assert not list(tmp_path.iterdir())
