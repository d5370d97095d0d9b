"""Below an adapter's rank what is said of A and B depends on the gauge: every question whose numbers move says so."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import BertLike
from every_question import takes

import lora_lens as ll
from lora_lens.questions import QUESTIONS

WHOLE, CUT = 4, 2
ASKED: dict[str, Callable[[ll.Adapter, int], Any]] = {
    "similarity": lambda one, rank: ll.conversion_similarity(one, "value", rank, draws=2),
    "shared": lambda one, rank: ll.shared_subspace(one, "value", rank, draws=2),
    "compare": lambda one, rank: ll.compare(one, one, "value", rank, draws=2),
    "matrix A": lambda one, rank: ll.adapter_matrix([one, copy(one)], "value", rank, matrix="A", draws=2),
    "matrix B": lambda one, rank: ll.adapter_matrix([one, copy(one)], "value", rank, matrix="B", draws=2),
}  # fmt: skip


def copy(one: ll.Adapter) -> ll.Adapter:
    return ll.load_adapter(one.source)


NOT_ASKED = {"amplification", "dynamics"}  # of ΔW's directions; of checkpoints


def test_every_question_that_takes_a_rank_is_asked() -> None:
    commands = {question.command for question in QUESTIONS if takes(question.name, "rank")}
    assert {name.partition(" ")[0] for name in ASKED} == commands - NOT_ASKED


@pytest.mark.parametrize("question", ASKED)
def test_it_is_said_below_the_rank_alone(bert: BertLike, tmp_path: Path, question: str) -> None:
    adapter = ll.load_adapter(tmp_path / "lora")
    below, whole = (ASKED[question](adapter, rank).notes for rank in (CUT, WHOLE))
    (said,) = (note for note in below if "gauge" in note)
    assert "(A, B) or (GA, BG⁻¹)" in said
    assert not any("gauge" in note for note in whole)


def test_a_survey_below_the_rank_says_it(bert: BertLike, tmp_path: Path) -> None:
    both = [tmp_path / "lora", tmp_path / "copy"]
    shutil.copytree(*both)
    below, whole = (
        ll.survey(both, tmp_path / f"out-{rank}", questions="pairs", rank=rank).notes
        for rank in (CUT, WHOLE)
    )
    assert sum("gauge" in note for note in below) == 1
    assert not any("gauge" in note for note in whole)


def test_of_delta_w_there_is_nothing_to_say(bert: BertLike, tmp_path: Path) -> None:
    adapter = ll.load_adapter(tmp_path / "lora")
    of_delta = ll.adapter_matrix([adapter, copy(adapter)], "value", CUT, matrix="delta", draws=2)
    of_ba = ll.conversion_similarity(adapter, "value", CUT, matrices=("BA",), draws=2)
    assert not any("gauge" in note for note in (*of_delta.notes, *of_ba.notes))
