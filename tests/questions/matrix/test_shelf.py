from pathlib import Path

import numpy as np
import pytest
import torch

import lora_lens as ll
from lora_lens.questions.matrix import shelf as shelves
from lora_lens.questions.matrix.shelf import Shelf


@pytest.mark.parametrize("most", [1 << 24, 100])
def test_gives_back_what_it_was_given(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "_IN_MEMORY", most)
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(9, k, generator=generator).double() for k in (2, 3, 1)]
    with Shelf(torch.float64) as shelf:
        for matrix in given:
            shelf.put(0, matrix.mT.contiguous().mT)
            shelf.put(1, 2 * matrix)
        for factor, layer in ((2, 1), (1, 0)):
            for one, other in zip(shelf.take(layer), given, strict=True):
                assert torch.equal(one, factor * other)
        with pytest.raises(KeyError):
            shelf.take(0)


def test_many_adapters_are_put_on_disk_and_nothing_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [ll.demo_adapter("lora"), ll.demo_adapter("condlora")]
    expected = ll.adapter_matrix(adapters, draws=0).values
    monkeypatch.setattr(shelves, "_IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened: list[Path] = []
    monkeypatch.setattr(Shelf, "take", _seen(Shelf.take, opened))
    np.testing.assert_array_equal(ll.adapter_matrix(adapters, draws=0).values, expected)
    assert opened == [True] * 6
    assert not list(tmp_path.iterdir())


def _seen(take, rolled):  # type: ignore[no-untyped-def]
    def watched(shelf: Shelf, layer: int) -> list[torch.Tensor]:
        rolled.append(shelf._files[layer]._rolled)  # type: ignore[attr-defined]
        return take(shelf, layer)

    return watched
