"""What is said of a survey."""

from pathlib import Path

import lora_lens as ll
from lora_lens.survey.words import _alike


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
