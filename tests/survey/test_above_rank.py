"""A rank above the adapters' own: what is not compared for it is said, and refused where nothing is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_runs import RANK, write_adapter

import lora_lens as ll
from lora_lens.errors import RankError

SAID = "φ of no two is compared: all ranks are below 9, 3 at most."


@pytest.mark.parametrize("asked", [["outlying"], ["pairs", "spectrum"], None])
def test_it_is_said_and_the_rest_goes_on(
    dozen: Path, tmp_path: Path, asked: list[str] | None
) -> None:
    result = ll.survey(dozen, tmp_path / "out", questions=asked, rank=9)
    assert result.sentences[1] == SAID
    assert not [note for note in result.notes if "untrained" in note]
    far = [one for one in result.sentences if " far from the others" in one]
    assert len(far) == (asked != ["pairs", "spectrum"])
    assert all(" far from the others in norm or effective rank; one alone" in one for one in far)


def test_where_nothing_is_left_it_is_refused(dozen: Path, tmp_path: Path) -> None:
    with pytest.raises(RankError, match="9 singular vectors, and all ranks are below 9, 3 at most"):
        ll.survey(dozen, tmp_path / "out", questions="pairs", rank=9)
    assert not (tmp_path / "out").exists()


def test_one_of_that_rank_has_no_other(dozen: Path, tmp_path: Path) -> None:
    write_adapter(dozen / "wide", seed=50, rank=9)
    with pytest.raises(RankError, match="no two adapters at one place have a rank of 9 or more"):
        ll.survey(dozen, tmp_path / "out", questions="pairs", rank=9)
    write_adapter(dozen / "other", seed=51, rank=9)
    result = ll.survey(dozen, tmp_path / "out", questions="pairs", rank=9)
    assert len(result.table("pairs")) == 2
    assert "is compared" not in result.summary


def test_a_rank_that_files_have_and_factors_have_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(8):
        a, b = rng.standard_normal((4, 24)), rng.standard_normal((24, 4))
        a[1:], b[:, 1:] = a[0], b[:, :1]
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, a=a, b=b: (a, b), rank=4)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions="pairs", rank=2)
    assert "φ of no two is compared: no two adapters at one place have 2 singular" in result.summary


def test_of_a_rank_that_all_have_nothing_is_said(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen, tmp_path / "out", rank=RANK)
    assert "is compared" not in result.summary
    assert "norm or effective rank" not in result.summary
