import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens import LensError
from lora_lens.core.spectra.energy import rank_for_energy


@pytest.mark.parametrize(
    ("s", "share", "rank"),
    [
        ([3, 1, 0], 0.9, 1),  # 9 of 10
        ([3, 1, 0], 0.9001, 2),
        ([1] * 10, 0.9, 9),
        ([0.1] * 10, 0.7, 7),  # sums of 0.01 are not exact
        ([0.7] * 5, 0.8, 4),  # four squares come out less than 0.8 of five
        ([2, 1, 1, 1], 0.5, 1),
        ([2, 1, 1, 1], 1.0, 4),
        ([2, 0, 0], 1.0, 1),
        ([0, 0], 0.9, 0),
    ],
)
def test_known_answers(s: list[float], share: float, rank: int) -> None:
    assert int(rank_for_energy(torch.tensor(s, dtype=torch.float64), share)) == rank


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8), st.floats(0.05, 0.999))
def test_equals_a_loop(values: list[float], share: float) -> None:
    s = sorted(values, reverse=True)
    kept = [sum(x * x for x in s[:k]) / sum(x * x for x in s) for k in range(len(s) + 1)]
    rank = int(rank_for_energy(torch.tensor([s, s], dtype=torch.float64), share)[1])
    assert kept[rank] >= share - 1e-9
    assert kept[rank - 1] < share + 1e-9


def test_a_share_beyond_all_is_refused() -> None:
    for share in (0.0, 1.01, float(np.nan)):
        with pytest.raises(LensError, match="expected above 0"):
            rank_for_energy(torch.ones(3), share)


def test_numpys_arrays_have_the_same_ranks() -> None:
    s = np.array([[3.0, 1, 0], [1, 1, 1], [0, 0, 0]])
    assert rank_for_energy(s, 0.9).tolist() == rank_for_energy(torch.from_numpy(s), 0.9).tolist()
