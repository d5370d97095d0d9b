"""Who is far from the others, and nearest to others that are: a family of its own, not strays."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from made_runs import write_adapter

import lora_lens as ll
from lora_lens.survey.result import SurveyResult

COUNT = 24
NEAREST = "each other's nearest"


def surveyed(
    folder: Path,
    seed: int,
    *,
    family: Collection[int] = (),
    strays: Collection[int] = (),
    questions: tuple[str, ...] = ("pairs", "outlying"),
) -> SurveyResult:
    """Adapters that began with one A, but for a family that began with another, and strays with an A each."""
    starts = np.random.default_rng(seed).standard_normal((2, 8, 48))

    def factors(k: int, layer: int, module: str) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, k, layer, len(module)])
        a, b = rng.standard_normal((8, 48)), rng.standard_normal((48, 8))
        if k not in strays:
            a = starts[int(k in family)] + 0.3 * a
        return a, b / np.linalg.norm(b @ a)

    for k in range(COUNT):
        write_adapter(folder / "runs" / f"run-{k}", factors, seed=k, rank=8, width=48)
    found = ll.survey(folder / "runs", folder / "out", questions=questions)
    far = {row["adapter"] for row in found.to_dict()["outlying"]}
    assert far == {f"run-{k}" for k in (*family, *strays)}
    return found


@pytest.mark.parametrize("strays", [(), (2, 13)])
def test_a_family_of_another_start_is_said_to_be_one(
    tmp_path: Path, strays: tuple[int, ...]
) -> None:
    """It was called far, adapter by adapter, as strays are."""
    found = surveyed(tmp_path, 0, family=(5, 6, 9, 20), strays=strays)
    (said,) = [note for note in found.notes if NEAREST in note]
    assert said.startswith("run-5, run-6, run-9 and 1 more are far from the others by φ of A, and")
    assert said in found.to_dict()["notes"]


@pytest.mark.parametrize("seed", [1, 2])
def test_strays_are_no_family(tmp_path: Path, seed: int) -> None:
    assert NEAREST not in str(surveyed(tmp_path, seed, strays=(3, 8, 21)).notes)


def test_one_that_is_far_alone_has_no_note(tmp_path: Path) -> None:
    found = surveyed(tmp_path, 3, strays=(7,), questions=("outlying",))
    assert not any("by φ of" in note for note in found.notes)


def test_without_pairs_it_is_said_what_tells(tmp_path: Path) -> None:
    found = surveyed(tmp_path, 0, family=(5, 6, 9, 20), questions=("outlying",))
    (said,) = [note for note in found.notes if "by φ of" in note]
    assert said.endswith(
        "the question pairs, asked with outlying, tells whether they are one family or strays"
    )
