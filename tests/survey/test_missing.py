"""What is not there is said, with why, and nothing is said of it as if it were."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from commands import run as run_command
from made_runs import WIDTH, path_of, write_adapter
from safetensors.numpy import load_file, save_file

import lora_lens as ll
from lora_lens.core.many_adapters.robust import robust_distances
from lora_lens.survey.questions import folds, outlying

MEAN_A = "mean A"
PAIRS = ("pairs",)
BOTH = ("pairs", "subspace")


def of_ranks(folder: Path, ranks: Sequence[int]) -> Path:
    for k, rank in enumerate(ranks):
        write_adapter(folder / f"{k}", seed=k, rank=rank)
    return folder


def copied(folder: Path, different: int, count: int = 10) -> Path:
    """So many adapters, copies of the first ones in turn."""
    for k in range(count):
        if k < different:
            write_adapter(folder / f"{k}", seed=k)
        else:
            shutil.copytree(folder / f"{k % different}", folder / f"{k}")
    return folder


def left_out(result: ll.SurveyResult) -> list[str]:
    return [note for note in result.notes if "left out at" in note or "no mean A" in note]


@pytest.mark.parametrize("asked", [PAIRS, ("subspace",), BOTH])
def test_where_ranks_are_mixed_there_is_no_mean_a_and_none_is_spoken_of(
    tmp_path: Path, asked: Sequence[str]
) -> None:
    runs = of_ranks(tmp_path / "runs", [2, 2, *range(3, 13)])
    result = ll.survey(runs, tmp_path / "out", questions=asked)
    assert left_out(result) == [
        "no mean A stands for a start anywhere: it is of adapters of the commonest rank at a place, which are too few there, or copies"
    ]
    assert any(note.startswith("runs of one seed begin with the same A") for note in result.notes)
    assert sum(MEAN_A in note for note in result.notes) == 1
    assert MEAN_A not in result.summary
    page = (tmp_path / "out" / "survey.md").read_text("utf-8")
    assert page.count(MEAN_A) == 1
    if "pairs" in asked:
        assert result.table("places")["mean_adapter_mean"].notna().all()
        assert result.table("places")["start_mean"].isna().all()
    start = write_adapter(tmp_path / "start", seed=90, rank=2)
    given = ll.survey(runs, tmp_path / "given", questions=asked, start=start)
    assert not left_out(given)


def test_where_there_is_one_it_is_spoken_of(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen, tmp_path / "out", questions=BOTH)
    assert not left_out(result)
    assert [MEAN_A in note for note in result.notes] == [True]


def test_words_are_explained_that_are_there(tmp_path: Path) -> None:
    for ranks, there in (([2, 2, *range(3, 13)], False), ([3] * 8, True)):
        runs = of_ranks(tmp_path / f"{there}", ranks)
        out = str(tmp_path / f"out-{there}")
        said = run_command("survey", str(runs), "--out", out, "--questions", "pairs,subspace", "--explain")  # fmt: skip
        words = said.output.replace("\n", " ")
        assert ("mean A, or start: φ of subspaces" in words) == there
        assert ("mean A, or start: of the" in words) == there
        assert "random adapters: the best k" in words


@pytest.mark.parametrize("different", [1, 2])
@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (PAIRS, "the nulls of the mean adapter and of a mean A are left out at all places, {}they take"),
        (("subspace",), "subspace is left out at all places, {}it takes"),
        (BOTH, "subspace and the nulls of the mean adapter and of a mean A are left out at all places, {}they take"),
    ],
)  # fmt: skip
def test_copies_of_a_few_are_too_few(
    tmp_path: Path, different: int, asked: Sequence[str], what: str
) -> None:
    result = ll.survey(copied(tmp_path / "runs", different), tmp_path / "out", questions=asked)
    why = f"where adapters are copies of {different}: no adapter is judged by its own copies, and too few others are left; "
    assert left_out(result) == [what.format(why) + " 8 different trained adapters or more"]
    assert "subspace.parquet" not in result.files


def test_copies_at_some_places_are_told(dozen: Path, tmp_path: Path) -> None:
    """Twelve adapters that have one and the same ΔW in a layer, as nothing was trained there since they parted."""
    first = load_file(dozen / "seed-0" / "adapter_model.safetensors")
    frozen = [name for name in first if path_of(1, "value") in name]
    assert len(frozen) == 2
    for k in range(12):
        file = dozen / f"seed-{k}" / "adapter_model.safetensors"
        save_file(load_file(file) | {name: first[name] for name in frozen}, file)
    result = ll.survey(dozen, tmp_path / "out", questions=BOTH)
    assert left_out(result) == [
        "subspace and the nulls of the mean adapter and of a mean A are left out at 1 of 4 places, where adapters are copies of 1: "
        "no adapter is judged by its own copies, and too few others are left; they take 8 different trained adapters or more"
    ]
    assert len(result.table("subspace").groupby(["module", "layer"])) == 3


def test_adapters_that_were_not_trained_are_no_copies(tmp_path: Path) -> None:
    def untrained(seed: int, *_: object) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        return rng.standard_normal((3, WIDTH)), np.zeros((WIDTH, 3))

    for k in range(10):
        write_adapter(tmp_path / "runs" / f"{k}", untrained if k > 4 else None, seed=k)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["subspace"])
    assert left_out(result) == [
        "subspace is left out at all places, where adapters are untrained: it takes 8 trained ones or more that are no copies"
    ]


def test_of_fewer_than_eight_the_number_is_said(tmp_path: Path) -> None:
    result = ll.survey(copied(tmp_path / "runs", 4, 7), tmp_path / "out", questions=["subspace"])
    assert left_out(result) == [
        "subspace is left out at all places: it takes 8 trained adapters or more"
    ]


def test_eight_that_were_dealt_to_few_folds_are_no_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of a hundred deals of eight has it."""
    monkeypatch.setattr(folds, "fold_of", lambda _digest, seed: seed)  # all to one
    result = ll.survey(copied(tmp_path / "runs", 8, 8), tmp_path / "out", questions=["subspace"])
    assert left_out(result) == [
        "subspace is left out at all places, where nearly all adapters were dealt to a few of eight folds, so that too few are left to "
        "judge them by; another --seed deals anew"
    ]


def test_of_a_quantity_that_nobody_has_nothing_is_told() -> None:
    none = np.full(6, np.nan)
    assert not list(outlying._told("log10 norm", none, robust_distances(none)))
