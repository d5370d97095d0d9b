from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike

from lora_lens import conversion_similarity, load_adapter, shared_subspace
from lora_lens.questions.similarity.result import SimilarityResult


def test_random_factors_are_said_to_be_no_more_alike_than_w0_makes_them(
    result: SimilarityResult,
) -> None:
    sentence = result.summary
    assert sentence.startswith("value: the conversion matrices of A and B are no more alike ")
    assert "than W0 alone makes them" in sentence
    assert {one.word for one in result.findings} == {"not seen"}
    for one in result.findings:
        assert one.verdict.detectable is not None
        assert f"{one.verdict.detectable:#.2g}" in sentence
        assert f"{result[one.label].mean:#.2g}" in sentence


@pytest.mark.parametrize(("shift", "word"), [(10.0, "more"), (-10.0, "less")])
def test_far_from_the_null_is_said_with_its_size(
    result: SimilarityResult, shift: float, word: str
) -> None:
    grid = result["A"]
    null = grid.baselines["propagated"]
    off = ~np.eye(3, dtype=bool)
    values = np.where(off, null.mean + shift * null.mean_sd, 1.0)
    moved = replace(result, grids={"A": replace(grid, values=values)})
    (finding,) = moved.findings
    assert finding.word == word
    assert finding.verdict.p == 1 / 51
    sentence = moved.summary
    assert f"the conversion matrices of A are {word} alike across layers than W0" in sentence
    assert f"φ = {moved['A'].mean:#.2g} of 1, by chance " in sentence
    assert f"{'above' if word == 'more' else 'below'} chance, p = 0.020)" in sentence


def test_too_few_draws_find_nothing_and_say_so(bert: BertLike, tmp_path: Path) -> None:
    """Two tests need 39 draws: with fewer no p can be .025 after Holm, whatever the number is."""
    adapter = load_adapter(tmp_path / "lora")
    for draws, told in ((38, False), (39, True)):
        results = (
            conversion_similarity(adapter, "value", draws=draws),
            shared_subspace(adapter, "value", draws=draws),
        )
        for result in results:
            sentence = result.summary
            assert (f"{draws} draws are too few to tell" in sentence) is not told
            assert ("(39 are needed), so nothing could be found" in sentence) is not told
            assert ("no more" in sentence) is told
            assert "less" not in sentence
            detectable = {one.verdict.detectable for one in result.findings}
            assert (None in detectable) is not told


def test_any_nulls_have_a_sentence(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    bare, shuffled = (
        conversion_similarity(adapter, "value", nulls=nulls, draws=5)
        for nulls in ([], ["mismatched"])
    )
    assert bare.summary == shuffled.summary
    assert bare.findings == shuffled.findings == ()
    assert "nothing can be said of, for no random factors were drawn" in bare.summary
    only = conversion_similarity(adapter, "value", nulls=["propagated"], draws=50)
    assert "by chance" in only.summary


def test_one_theta_is_not_said_of_the_right_side(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    sentence = conversion_similarity(adapter, "value", side="right", draws=5).summary
    assert "is 1 for A and B, as it is on the right side" in sentence
    assert "θ" not in sentence
