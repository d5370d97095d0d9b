import errno
import itertools
import json
import mmap
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora

import lora_lens as ll
from lora_lens.core.computing.spill import Spill
from lora_lens.errors import LensError
from lora_lens.subspaces import memory
from lora_lens.subspaces.memory import Budget, Least, memory_budget


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
    assert memory_budget(asked).size == size


@pytest.mark.parametrize("asked", ["", "much", "-4GB", "4XB", "1MB", "0", "nan"])
def test_what_is_no_size(asked: str) -> None:
    with pytest.raises(LensError, match="memory is"):
        memory_budget(asked)


def test_by_default_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_of_machine", lambda: 10**10)
    monkeypatch.setattr(memory, "free_memory", lambda: 4 * 10**9)
    assert memory_budget().size == 2 * 10**9
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert memory_budget().size == 5 * 10**9
    assert memory_budget(None, Least(6 * 10**9, "much")).size == 6 * 10**9


def test_less_than_the_least_is_refused_with_the_least() -> None:
    parts = Least(3 * 10**8, "one W0"), Least(7 * 10**8, "sums")
    with pytest.raises(LensError, match=r"^memory is 500MB; expected at least 700MB, for sums$"):
        memory_budget("500MB", *parts)
    budget = memory_budget("900MB", *parts)
    assert budget.least + budget.kept == 9 * 10**8
    assert memory_budget("700MB", *parts).kept == 0


@pytest.mark.parametrize("lacking", [(), ((os, "posix_fallocate"), (mmap, "MADV_DONTNEED"))])
def test_beyond_the_limit_arrays_are_in_files_that_are_gone(
    lacking: tuple[tuple[Any, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has what Linux has, and where it has not: macOS the first, Windows neither."""
    for module, name in lacking:
        monkeypatch.delattr(module, name, raising=False)
    monkeypatch.setattr("lora_lens.core.computing.spill._AT_ONCE", 1000)  # of 2400
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


def test_threads_that_ask_at_once_get_no_more_memory_than_there_is() -> None:
    class Slow(Spill):
        def fits(self, size: int, like: torch.Tensor) -> bool:
            found = super().fits(size, like)
            time.sleep(0.1)  # in which another thread asks the same
            return found

    like = torch.zeros(1)
    asks: list[Callable[[Spill], object]] = [
        lambda spill: spill.empty((80,), like, torch.uint8),
        lambda spill: spill.keep(torch.zeros(8, 10, dtype=torch.uint8)),
    ]
    for one, other in itertools.combinations_with_replacement(asks, 2):
        spill = Slow(100)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda ask, spill=spill: ask(spill), (one, other)))
        assert (spill._used, len(spill._maps)) == (80, 1)


def test_a_full_disk_is_said_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(LensError, match=r"no room for them in .*--draws"):
        Spill(10).empty((30, 20), torch.zeros(1), torch.float32)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="says what is in memory")
def test_what_lies_beside_releases_both() -> None:
    """Of `shared`, W0 of all layers lies in the one while sums over the layers are in the other."""
    spill, size = Spill(0), 1 << 25
    spill.empty((size,), torch.zeros(1), torch.uint8).fill_(1)
    before = resident()
    spill.beside().release()
    assert before - resident() > size / 2


def resident() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_what_is_kept_lies_as_it_did() -> None:
    made = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    for one in (made, made.mT):
        kept = Spill(0).keep(one)
        assert torch.equal(kept, one)
        assert kept.stride() == one.stride()
    assert Spill().keep(made) is made


def test_a_w0_that_takes_more_when_it_is_met_is_refused_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_LEAST", Least(1, "nothing"))
    shape = BertLike(layers=2, width=1024, modules=("value",))
    weights = [random(1024, 1024, seed=k) for k in range(2)]
    weights[1][0] = weights[1][1] + 2e-4 * weights[1][0]
    paths = [f"{shape.path(k, 'value')}.weight" for k in range(2)]
    write_base(tmp_path / "base", shape, dict(zip(paths, weights, strict=True)))
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    ask = partial(ll.conversion_similarity, tmp_path / "lora", "value", draws=0, device="cpu")
    with pytest.raises(LensError, match="memory is 1; expected at least") as refused:
        ask(memory=1)
    least = int(re.findall(r"least (\d+)MB", str(refused.value))[0])
    with pytest.raises(LensError, match="so ill-conditioned that it is factored in float64") as met:
        ask(memory=f"{least}MB")
    more = int(re.findall(r"least (\d+)MB", str(met.value))[0])
    assert more - least == pytest.approx(24 * 1024**2 / 1e6, abs=1)
    ask(memory=f"{more}MB")
    ask()  # what was not asked for is not refused


def numbers(found: Any) -> list[float]:
    """Every number of a result."""
    if isinstance(found, dict):
        return [number for value in found.values() for number in numbers(value)]
    if isinstance(found, list):
        return [number for value in found for number in numbers(value)]
    return [float(found)] if isinstance(found, int | float) else []


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (ll.conversion_similarity, {"nulls": ("propagated", "mismatched", "initialisation")}),
        (ll.shared_subspace, {}),
        (ll.outliers, {}),
    ],
)
def test_no_number_depends_on_it(
    question: Callable[..., Any], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    found = [numbers(question(adapter, "value", draws=7, **options).to_dict())]
    sizes: list[int] = []
    allocate = os.posix_fallocate
    monkeypatch.setattr(Budget, "kept", property(lambda _: 0))  # all of it in files

    def counted(file: int, start: int, size: int) -> None:
        sizes.append(size)
        allocate(file, start, size)

    monkeypatch.setattr(os, "posix_fallocate", counted)
    found.append(numbers(question(adapter, "value", draws=7, **options).to_dict()))
    assert sizes
    np.testing.assert_array_equal(found[0], found[1])


MEASURED = """
import json, re, sys
import lora_lens as ll
from lora_lens.errors import LensError

def status(key):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))

def least(ask):
    try:
        ask(memory="64MiB")
    except LensError as error:
        return re.search(r"at least (\\d+)MB", str(error))[0].split()[-1]
    return "64MiB"

name, adapter, draws, options = sys.argv[1:]
options = json.loads(options)
question = getattr(ll, name)
loaded = ll.load_adapter(adapter)
small = ll.load_adapter(ll.demo_adapter("lora"))
question(small, "value", draws=2, device="cpu")  # what the libraries take
ask = lambda memory: question(loaded, "value", draws=int(draws), device="cpu", memory=memory, **options)
memory = least(ask)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew
before = status("VmRSS")
ask(memory)
print(json.dumps([memory, status("VmHWM") - before]))
"""


def measured(
    name: str, adapter: Path, draws: int, options: dict[str, Any] | None = None
) -> tuple[str, int]:
    """The least memory that a question asks for, and the bytes that it grows by when it is given that."""
    command = [sys.executable, "-c", MEASURED, name, str(adapter), str(draws)]
    done = subprocess.run(
        [*command, json.dumps(options or {})], check=True, capture_output=True, text=True
    )
    asked, taken = json.loads(done.stdout)
    return asked, taken


ALONE = {"matrices": ["B"], "nulls": ["propagated"]}
needs_a_peak = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="no peak to begin anew"
)


@needs_a_peak
@pytest.mark.parametrize(
    ("name", "width", "draws"),
    [("conversion_similarity", 2048, 300), ("outliers", 1024, 100), ("shared_subspace", 512, 20)],
)
def test_the_least_is_kept(name: str, width: int, draws: int, tmp_path: Path) -> None:
    """Of four layers; all draws in memory, the LU before, or copies of it would not be within it."""
    shape = BertLike(layers=4, width=width, modules=("value",), rank=16)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    asked, taken = measured(name, tmp_path / "lora", draws)
    assert taken <= memory_budget(asked).size


@needs_a_peak
def test_the_least_is_kept_of_many_draws(tmp_path: Path) -> None:
    """Of few rows thousands of draws fit what is counted of their matrices, and their rows would not be within it."""
    shape = BertLike(layers=3, width=512, modules=("value",), rank=1)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    options = {"matrices": ["B"], "width": 2}
    asked, taken = measured("shared_subspace", tmp_path / "lora", 10_000, options)
    assert taken <= memory_budget(asked).size


@needs_a_peak
def test_the_least_is_kept_of_many_donors(tmp_path: Path) -> None:
    """Bases of all donors stand beside those of some draws."""
    shape = BertLike(layers=40, width=256, modules=("value",), rank=8)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    options = {"nulls": ["mismatched"]}
    asked, taken = measured("conversion_similarity", tmp_path / "lora", 60, options)
    assert taken <= memory_budget(asked).size


@needs_a_peak
@pytest.mark.parametrize(
    ("options", "ranks"),
    [
        ({"rank": 4, **ALONE}, {}),
        (ALONE, {"1.value": 4}),
    ],
)
def test_the_least_is_kept_where_order_matters(
    options: dict[str, Any], ranks: dict[str, int], tmp_path: Path
) -> None:
    """Rank below the adapter's, or ranks that differ: copies of all of a layer's draws would not be within it."""
    shape = BertLike(layers=2, width=768, modules=("value",), rank=16)
    pattern = {shape.path(int(key[0]), "value"): rank for key, rank in ranks.items()}
    write_base(tmp_path / "base", shape)
    write_lora(
        tmp_path / "lora",
        shape,
        base=str(tmp_path / "base"),
        ranks=ranks,
        config={"rank_pattern": pattern},
    )
    asked, taken = measured("conversion_similarity", tmp_path / "lora", 1000, options)
    assert taken <= memory_budget(asked).size
