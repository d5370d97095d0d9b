"""What the sentence says of pairs that are above unrelated subspaces."""

import shutil
from pathlib import Path

import pytest

from lora_lens import adapter_matrix, demo_adapter
from lora_lens.show.wording import ENOUGH


@pytest.fixture
def twins(tmp_path: Path) -> list[Path]:
    return [
        Path(shutil.copytree(demo_adapter("lora"), tmp_path / name)) for name in ("one", "other")
    ]


def test_what_lies_along_w0_is_not_for_that_the_same_subspace(twins: list[Path]) -> None:
    same = adapter_matrix(twins, "query", draws=200)
    assert (
        "the closest one and other: φ = 1 of 1: the same subspace, far above chance; 1 cl"
        in same.summary
    )
    assert ENOUGH not in same.summary


def test_of_pairs_below_one_it_is_said_what_is_enough(twins: list[Path]) -> None:
    three = adapter_matrix([*twins, Path(demo_adapter("condlora"))], "query", matrix="B", draws=200)
    assert "3 of 3 pairs have" in three.summary
    assert (
        f"the same subspace, far above chance; of a φ below 1 {ENOUGH}, and `compare`"
        in three.summary
    )
    two = adapter_matrix([twins[0], Path(demo_adapter("condlora"))], "query", matrix="B", draws=200)
    assert f"; for this {ENOUGH}, and `compare`" in two.summary
