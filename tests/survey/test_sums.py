"""Sums in coordinates of what few adapters span, beside the same as matrices of W0's width."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_runs import write_adapter
from pandas.testing import assert_frame_equal

import lora_lens as ll
from lora_lens.survey import asking
from lora_lens.survey.result import SurveyResult

WIDE = 48
TABLES = ("pairs", "subspace", "outlying", "interference", "merges")


def write_few(folder: Path) -> Path:
    """Ten adapters of ranks 1 to 3 with one of no B, two that are one, and a start that some have."""
    rng = np.random.default_rng(3)
    start = rng.standard_normal((2, WIDE))
    for k in range(10):
        rank = 2 if k < 6 else 1 + k % 3
        a = (
            start + 0.2 * rng.standard_normal((2, WIDE))
            if k < 6
            else rng.standard_normal((rank, WIDE))
        )
        b = rng.standard_normal((WIDE, rank)) * (k != 9)
        write_adapter(folder / f"{k}", lambda *_, made=(a, b): made, rank=rank, width=WIDE)
    write_adapter(folder / "copy", lambda *_, made=(a, b + 1): made, rank=rank, width=WIDE)
    write_adapter(folder / "copied", lambda *_, made=(-a, b + 1): made, rank=rank, width=WIDE)
    return folder


def write_low(folder: Path) -> Path:
    """Ten adapters of rank 1 that are stored with 4, so that a mean of a few of them has fewer than a null is given."""
    rng = np.random.default_rng(4)
    for k in range(10):
        a, b = np.zeros((4, WIDE)), np.zeros((WIDE, 4))
        a[0], b[:, 0] = rng.standard_normal((2, WIDE))
        write_adapter(folder / f"{k}", lambda *_, made=(a, b): made, rank=4, width=WIDE)
    return folder


def write_opposite(folder: Path) -> Path:
    """Ten of one A, with B and −B in turn, of other lengths, as copies are dealt as one: their mean is nothing, or what one of them is."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, WIDE)), rng.standard_normal((WIDE, 2))
    for k in range(10):
        made = (a, b * (-1) ** k * 2.0**k)
        write_adapter(folder / f"{k}", lambda *_, made=made: made, rank=2, width=WIDE)
    return folder


@pytest.mark.parametrize("write", [write_few, write_low, write_opposite])
@pytest.mark.parametrize("k", [4, 32])  # directions: fewer and more than the adapters span
@pytest.mark.parametrize("with_start", [False, True])
def test_both_kinds_of_sums_give_the_same_numbers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], Path],
    k: int,
    *,
    with_start: bool,
) -> None:
    if with_start and write is not write_few:
        pytest.skip("of no start of theirs")
    runs = write(tmp_path / "runs")
    start = runs / "0" if with_start else None
    kinds: list[type] = []

    def asked(name: str, *, few: bool) -> SurveyResult:
        made = asking._sums
        monkeypatch.setattr(asking, "spans_little", lambda *_: few)
        monkeypatch.setattr(asking, "_sums", lambda task: kinds.append(type(s := made(task))) or s)
        return ll.survey(runs, tmp_path / name, k=k, start=start)

    whole, few = asked("whole", few=False), asked("few", few=True)
    assert {kind.__name__ for kind in kinds} == {"WholeSums", "SpannedSums"}
    for name in TABLES:
        assert_frame_equal(few.table(name), whole.table(name), rtol=1e-6, atol=1e-7)
    assert few.summary == whole.summary
