from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from lora_lens.reproduction.numbers.longer import LongerRun
from lora_lens.reproduction.page.tables.longer import longer_table

FOUND = LongerRun(
    "stsb", "pearson", "condlora", 0, 6, 12, 0.8950, 0.8990, test=0.880, longer_test=0.884, learnt=True
)  # fmt: skip


def test_below_half_a_point_is_finished() -> None:
    assert FOUND.gain == pytest.approx(0.004)
    assert FOUND.verdict == "finished"
    assert replace(FOUND, longer_development=0.9001).verdict == "not finished"
    assert replace(FOUND, longer_development=0.88).verdict == "finished"
    assert replace(FOUND, learnt=False).verdict == "not learnt"


def test_the_table_says_both_scores_and_the_gain() -> None:
    (row,) = longer_table([FOUND]).rows
    assert row == [
        "STS-B", "CondLoRA", "0", "6", "89.5", "88.0", "12", "89.9", "88.4", "+0.4", "finished",
    ]  # fmt: skip
    assert len(longer_table([]).head) == len(row)
    (ended,) = longer_table([replace(FOUND, longer_ended=9.0)]).rows
    assert ended[6] == "9 of 12"
    assert FOUND.row()["gain"] == pytest.approx(0.004)


@pytest.mark.parametrize(
    ("rows", "accuracy", "evaluations"),
    [(249, 0.7, 4), (367, 0.8, 4), (855, 0.8, 3), (575, 0.85, 3)],
)
def test_what_the_rule_says_of_runs_whose_truth_is_known(
    rows: int, accuracy: float, evaluations: int
) -> None:
    """The page says so: about a half where nothing is gained, and about a tenth where two points are."""
    rng = np.random.default_rng(rows)

    def not_finished(gained: float) -> float:
        return np.mean([not_finished_once(gained) for _ in range(300)])

    def not_finished_once(gained: float) -> bool:
        difficulty = rng.standard_normal(rows)
        best = [
            best_of(difficulty, many, truth)
            for many, truth in ((evaluations, accuracy), (2 * evaluations, accuracy + gained))
        ]
        found = replace(FOUND, development=best[0], longer_development=best[1])
        return found.verdict == "not finished"

    def best_of(difficulty: np.ndarray, many: int, truth: float) -> float:
        """Of evaluations that share how hard each row is, .7 of the variance, and half of what is left by the run."""
        run = np.sqrt(0.7) * difficulty + np.sqrt(0.15) * rng.standard_normal(rows)
        each = run + np.sqrt(0.15) * rng.standard_normal((many, rows))
        return float((each < norm.ppf(truth)).mean(1).max())

    assert 0.33 < not_finished(0.0) < 0.6
    assert 0.75 < not_finished(0.02) < 0.99
