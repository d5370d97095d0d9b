"""What is said of a survey."""

from pathlib import Path

import numpy as np
import pytest

import lora_lens as ll
from lora_lens.survey.words import _alike, _largest_of


def test_a_null_that_some_places_have_stands_beside_their_own_phi() -> None:
    """φ of all of them beside it would be an excess that is none."""
    some = {"phi": 0.1, "gaussian_mean": 0.1, "mean_adapter_mean": 0.1, "start_mean": 0.1}
    other = {"phi": 0.3, "gaussian_mean": 0.3, "mean_adapter_mean": None, "start_mean": 0.2}
    assert _alike("B", [some, some, other], start_given=True) == (
        "φ of B between two is 0.167 (unrelated ones 0.167, 0.133 by their start alone, "
        "0.100 by the mean adapter alone at 2 of 3 places, where φ is 0.100)"
    )
    estimated = _alike("A", [some, some, other], start_given=False)
    assert "at least 0.133 by their start alone" in estimated


def test_one_adapter_has_no_cross_terms(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen / "seed-3", tmp_path / "out")
    assert "cross terms" not in result.summary
    assert "–" not in result.summary
    assert "cross terms" in ll.survey(dozen, tmp_path / "all").summary


@pytest.mark.parametrize("r", [1, 2, 4])
def test_the_closest_of_unrelated_pairs_is_as_far_as_is_told(r: int) -> None:
    """Of 15 lines, 105 pairs, the median of the largest z is 4.4, where a Gaussian's would be 2.5."""
    n, d = 15, 64
    chance = ll.gaussian_baseline(d, r, r)
    pairs = n * (n - 1) // 2
    place = {"pairs": pairs, "gaussian_mean": chance.mean, "gaussian_sd": chance.sd / pairs**0.5}
    told = float(_largest_of([place]).partition("has z ")[2].removesuffix(")"))
    largest = []
    for seed in range(300):
        drawn = np.random.default_rng([seed, r]).standard_normal((n, d, r))
        basis = np.linalg.qr(drawn)[0].swapaxes(0, 1).reshape(d, n * r)
        phi = ((basis.T @ basis) ** 2).reshape(n, r, n, r).sum((1, 3)) / r
        largest.append((phi[np.triu_indices(n, 1)].max() - chance.mean) / chance.sd)
    assert told == pytest.approx(np.median(largest), abs=0.35)
