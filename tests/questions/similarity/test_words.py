"""What is said of φ between layers: its size beside random factors', and no verdict."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike
from noise import Kind, noise_adapters
from planted import plant

from lora_lens import compare, conversion_similarity, load_adapter
from lora_lens.questions.similarity.result import SimilarityResult

UNTESTED = "this is no test of sharing (`shared` is)"
BLIND = "can miss a shared layer that makes nine tenths of every factor"


@pytest.mark.parametrize("kind", ["uniform", "leading"])
def test_noise_of_minilm_is_given_no_verdict(kind: Kind) -> None:
    """Factors along W0's own directions share nothing, and are 12 deviations from the propagated null."""
    for number, adapter in enumerate(noise_adapters(kind, 3)):
        for convention in ("stored", "consistent"):
            result = conversion_similarity(
                adapter, "value", convention=convention, matrices=("A", "B"), draws=60, seed=number
            )
            assert result.findings == ()
            assert result.to_dict()["findings"] == []
            for word in ("more alike than", "less alike than", "told from chance", "corrected"):
                assert word not in result.summary
            assert UNTESTED in result.summary
            z = result["B"].significance["propagated"].of_mean.z
            assert (z < -8) if kind == "leading" else (abs(z) < 4)


def test_the_sentence_has_the_numbers_and_no_size_that_chance_has_too(
    result: SimilarityResult,
) -> None:
    """Both are called partly alike, which says nothing here."""
    null = result["B"].significance["propagated"].of_mean
    assert result.summary == (
        f"value: mean φ between layers, from 0 to 1, is {result['A'].mean:.3f} for A and {result['B'].mean:.3f} for B, "
        f"and random factors through the same W0 give {null.mean:.3f} ± {null.sd:.3f}; {UNTESTED}: φ "
        f"moves with where factors lie on W0's singular directions, and {BLIND}."
    )


def test_nothing_is_said_of_chance_however_far_it_is(result: SimilarityResult) -> None:
    grid = result["A"]
    null = grid.baselines["propagated"]
    off = ~np.eye(3, dtype=bool)
    for shift, size in ((12.0, "more alike than not"), (-4.0, "nearly orthogonal")):
        values = np.where(off, null.mean + shift * null.mean_sd, 1.0)
        moved = replace(result, grids={"A": replace(grid, values=values), "B": result["B"]})
        assert moved.findings == ()
        assert moved["A"].significance["propagated"].of_mean.z == pytest.approx(shift, rel=0.05)
        said = f"{moved['A'].mean:.3f} for A ({size}) and {result['B'].mean:.3f} for B, and random"
        assert said in moved.summary


def test_means_that_chance_scatters_to_have_one_word_on_both_sides_of_its_edge(
    result: SimilarityResult,
) -> None:
    """φ of .099 and .100, both within chance, were “nearly orthogonal” and “partly alike”."""
    off = ~np.eye(3, dtype=bool)
    grids = {}
    for matrix, mean in (("A", 0.099), ("B", 0.101)):
        null = result[matrix].baselines["propagated"]
        assert null.drawn is not None
        moved = null.drawn - null.mean + 0.095
        chance = replace(null, mean=np.full_like(null.mean, 0.095), samples=moved)
        values = np.where(off, mean, 1.0)
        grids[matrix] = replace(result[matrix], values=values, baselines={"propagated": chance})
    shown = replace(result, grids=grids)
    assert "is 0.099 for A and 0.101 for B (nearly orthogonal), and random" in shown.summary


def test_all_of_the_space_is_no_shared_theta(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape)

    w0 = [normal(6, 6) for _ in range(3)]
    adapters = [
        plant(tmp_path / name, w0, [(normal(6, 6), normal(6, 6)) for _ in range(3)])
        for name in ("one", "other")
    ]
    said = conversion_similarity(adapters[0], "value", draws=20).summary
    assert "is 1 for A, B and BA, as it is of any factors whose rank is the whole space's" in said
    both = compare(*adapters, "value", draws=20).summary
    assert (
        both == "value: A and B of the two adapters span the whole space, as any of that rank do."
    )


def test_small_numbers_are_shown_to_the_digit_that_varies(result: SimilarityResult) -> None:
    grid = result["A"]
    null = grid.baselines["propagated"]
    assert null.drawn is not None
    small = replace(
        null, mean=null.mean / 500, sd=null.sd / 500, mean_sd=null.mean_sd / 500, samples=null.drawn / 500
    )  # fmt: skip
    values = np.where(np.eye(3, dtype=bool), 1.0, grid.values / 500)
    shown = replace(
        result, grids={"A": replace(grid, values=values, baselines={"propagated": small})}
    )
    mean = shown["A"].significance["propagated"].of_mean
    assert 1e-5 < mean.sd < 1e-4
    assert f"is {shown['A'].mean:.5f} for A (nearly orthogonal)" in shown.summary
    assert f"give {mean.mean:.5f} ± {mean.sd:.5f};" in shown.summary


def test_any_nulls_have_a_sentence(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    bare, shuffled, none = (
        conversion_similarity(adapter, "value", nulls=nulls, draws=draws)
        for nulls, draws in (([], 5), (["mismatched"], 5), (["propagated"], 0))
    )
    assert bare.summary == shuffled.summary == none.summary
    assert "with no random factors drawn to set beside it" in bare.summary
    only = conversion_similarity(adapter, "value", nulls=["propagated"], draws=50)
    assert "random factors through the same W0 give 0." in only.summary


def test_with_a_ridge_it_is_not_called_blind(bert: BertLike, tmp_path: Path) -> None:
    sentence = conversion_similarity(load_adapter(tmp_path / "lora"), "value", ridge=1.0).summary
    assert UNTESTED in sentence
    assert BLIND not in sentence


def test_one_theta_is_not_said_of_the_right_side(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    sentence = conversion_similarity(adapter, "value", side="right", draws=5).summary
    assert "is 1 for A and B, as it is on the right side" in sentence
    assert "θ" not in sentence
