"""Clusters by the names of their members."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import WIDTH, write_adapter

import lora_lens as ll
from lora_lens.survey.families import Families
from lora_lens.survey.joined import Joined
from lora_lens.survey.result import SurveyResult
from lora_lens.survey.tables import tables


@pytest.fixture
def found(tmp_path: Path) -> SurveyResult:
    """Three of one A among five, and two of another width, which share no place with these."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((3, WIDTH))

    def alike(*_: object) -> tuple[np.ndarray, np.ndarray]:
        a = common + 0.1 * rng.standard_normal((3, WIDTH))
        return a, rng.standard_normal((WIDTH, 3))

    for k in range(5):
        write_adapter(tmp_path / "runs" / f"run-{k}", alike if k in {1, 2, 4} else None, seed=k)
    for k in range(2):
        write_adapter(tmp_path / "runs" / f"other-{k}", seed=k, modules=["elsewhere"])
    return ll.survey(tmp_path / "runs", tmp_path / "out", questions="pairs")


def test_members_are_named(found: SurveyResult) -> None:
    """Sizes alone were: who is alike stood nowhere but in the CSV, where each that is alone has a number too."""
    told = found.to_dict()["clusters"]["A"]
    assert told["in_none"] == ["run-0", "run-3"]
    assert told["not_in_the_tree"] == ["other-0", "other-1"]
    (one,) = told["clusters"]
    assert one["members"] == ["run-1", "run-2", "run-4"]
    written = pd.read_csv(found.out / "clusters.csv")
    own = written[(written["matrix"] == "A") & (written["cluster"] == one["cluster"])]
    assert [*own["adapter"]] == one["members"]
    (shown,) = [table for table in found.tables if table.title.startswith("Clusters of φ")]
    assert [row[0] + row[1] for row in shown.rows[:3]] == ["A5 of 7", "", ""]
    assert [row[2:] for row in shown.rows[:3]] == [
        [str(one["cluster"]), "3", "run-1, run-2 and run-4"],
        ["in none", "2", "run-0 and run-3"],
        ["not in the tree", "2", "other-0 and other-1"],
    ]


def test_many_members_are_told_by_the_first_few() -> None:
    members = tuple(f"run-{k}" for k in range(100))
    joined = Joined(("clusters.csv",), families=(Families("B", {3: members}, (), ()),))
    (shown,), (whole,) = tables(joined, (), rank=4), tables(joined, ())
    first = ", ".join(members[:6])
    assert [*shown.rows] == [["B", "100 of 100", "3", "100", f"{first} and 94 more"]]
    assert shown.title.endswith("; each is in survey.md")
    assert whole.rows[0][-1].endswith("run-98 and run-99")
    assert "each is in" not in whole.title
