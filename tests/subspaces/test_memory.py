import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import lora_lens as ll
from lora_lens.core.spill import Spill
from lora_lens.errors import LensError
from lora_lens.subspaces import memory
from lora_lens.subspaces.memory import memory_budget


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ("500MB", 5 * 10**8),
        ("4 gb", 4 * 10**9),
        ("1.5GiB", 3 * 2**29),
        (10**9, 10**9),
        ("1T", 10**12),
    ],
)
def test_sizes(asked: str | int, size: int) -> None:
    assert memory_budget(asked) == size


@pytest.mark.parametrize("asked", ["", "much", "-4GB", "4XB", "1MB", "0", "nan"])
def test_what_is_no_size(asked: str) -> None:
    with pytest.raises(LensError, match="memory is"):
        memory_budget(asked)


def test_by_default_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_of_machine", lambda: 10**10)
    monkeypatch.setattr(memory, "_of_group", lambda: 4 * 10**9)
    assert memory_budget() == 2 * 10**9
    monkeypatch.setattr(memory, "_of_group", lambda: None)
    assert memory_budget() == 5 * 10**9


def test_beyond_the_limit_arrays_are_in_files_that_are_gone() -> None:
    spill, like = Spill(1000), torch.zeros(1)
    inside = spill.empty((10, 20), like, torch.float32)
    outside = spill.empty((30, 20), like, torch.float32)
    assert len(spill._maps) == 1
    expected = torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    outside.copy_(expected)
    inside.fill_(1)
    spill.release()
    assert torch.equal(outside, expected)
    assert inside.sum() == 200


def test_a_full_disk_is_said_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(LensError, match=r"no room for them in .*--draws"):
        Spill(10).empty((30, 20), torch.zeros(1), torch.float32)


def test_no_number_depends_on_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    found = []
    for least in (1 << 26, 1):
        monkeypatch.setattr(memory, "_LEAST", least)
        nulls = ("propagated", "mismatched", "initialisation")
        result = ll.conversion_similarity(
            adapter, "value", 8, nulls=nulls, draws=7, memory=1 << 40 if least > 1 else 1000
        )
        found.append(result)
    for matrix in ("A", "B", "BA"):
        np.testing.assert_array_equal(found[0][matrix].values, found[1][matrix].values)
        for name, baseline in found[0][matrix].baselines.items():
            np.testing.assert_array_equal(
                baseline.samples, found[1][matrix].baselines[name].samples
            )
