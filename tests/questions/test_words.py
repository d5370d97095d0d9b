from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike

from lora_lens import conversion_similarity, load_adapter, shared_subspace
from lora_lens.questions.shared.words import summary as shared_sentence
from lora_lens.questions.similarity.result import SimilarityResult
from lora_lens.questions.similarity.words import summary as similarity_sentence


def test_random_factors_are_said_to_be_no_more_alike_than_w0_makes_them(
    result: SimilarityResult,
) -> None:
    sentence = similarity_sentence(result)
    assert sentence.startswith("lora value, convention stored: ")
    assert "BA" in sentence.split("no more alike than W0 alone makes them")[0]
    assert "more alike than W0 alone makes them" not in sentence.replace("no more", "")
    for grid in result.values():
        assert f"{grid.mean:.3f}" in sentence


@pytest.mark.parametrize(
    ("shift", "verdict"), [(10.0, "more alike than W0"), (-10.0, "less alike than W0")]
)
def test_far_from_the_null_is_said_with_its_distance(
    result: SimilarityResult, shift: float, verdict: str
) -> None:
    grid = result["A"]
    null = grid.baselines["propagated"]
    off = ~np.eye(3, dtype=bool)
    values = np.where(off, null.mean + shift * null.mean_sd, 1.0)
    moved = replace(result, grids={"A": replace(grid, values=values)})
    sentence = similarity_sentence(moved)
    assert verdict in sentence
    excess = shift * null.mean_sd / (1 - grid.baseline_mean("propagated"))
    assert f"excess {excess:+.3f}" in sentence
    if shift > 0:
        assert "A (excess" in sentence
        assert "p = 0.020, 3 of 3 pairs after Benjamini-Hochberg at 0.05) is more" in sentence
    else:
        assert f"A (z = {shift:.1f}, excess" in sentence


def test_too_few_draws_tell_nothing(bert: BertLike, tmp_path: Path) -> None:
    """18 draws give p ≥ 1/19: whatever φ is, it cannot be called more alike, so it is not called no more."""
    adapter = load_adapter(tmp_path / "lora")
    for draws, told in ((18, False), (19, True)):
        sentences = (
            similarity_sentence(conversion_similarity(adapter, "value", draws=draws)),
            shared_sentence(shared_subspace(adapter, "value", draws=draws)),
        )
        for sentence in sentences:
            assert ("beyond telling from so few draws" in sentence) is not told
            assert ("W0 alone makes" in sentence) is told
            assert ("as far as the test tells" in sentence) is told


def test_any_nulls_have_a_sentence(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    bare, shuffled = (
        similarity_sentence(conversion_similarity(adapter, "value", nulls=nulls, draws=5))
        for nulls in ([], ["mismatched"])
    )
    assert bare == shuffled
    assert "where" not in bare
    only = similarity_sentence(
        conversion_similarity(adapter, "value", nulls=["propagated"], draws=50)
    )
    assert "where random factors through the same W0 give" in only


def test_one_theta_is_not_said_of_the_right_side(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    sentence = similarity_sentence(conversion_similarity(adapter, "value", side="right", draws=5))
    assert "is 1 for A and B, as it is on the right side" in sentence
    assert "θ" not in sentence
