import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens.core.similarity import pairwise
from lora_lens.core.similarity.pairwise import block_pairs, blocks, phi_of_every_pair
from lora_lens.core.similarity.phi_of_bases import phi_of_bases


def bases(widths: list[int], d: int = 12, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [
        torch.linalg.qr(torch.randn(d, k, generator=generator, dtype=torch.float64)).Q.to(dtype)
        for k in widths
    ]


def slow(us: list[torch.Tensor]) -> np.ndarray:
    return np.array([[float(phi_of_bases(u, v)) for v in us] for u in us])


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_equals_pair_after_pair(device: torch.device | None) -> None:
    us = bases([3, 1, 5, 5, 2, 12])
    expected = slow(us)
    for some in (us, [u.numpy() for u in us]):
        np.testing.assert_allclose(phi_of_every_pair(some, device=device), expected, atol=1e-14)


def test_orthogonal_is_0_and_contained_is_1() -> None:
    eye = torch.eye(6, dtype=torch.float64)
    values = phi_of_every_pair([eye[:, :2], eye[:, 2:5], eye[:, :4]])
    np.testing.assert_allclose(values, [[1, 0, 1], [0, 1, 2 / 3], [1, 2 / 3, 1]], atol=1e-15)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=9), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_blocks_of_any_size_give_what_one_block_gives(widths: list[int], columns: int) -> None:
    us = bases(widths)
    one_block = phi_of_every_pair(us, columns=1000)
    np.testing.assert_allclose(phi_of_every_pair(us, columns=columns), one_block, atol=1e-14)


@given(st.lists(st.integers(1, 6), max_size=9), st.integers(1, 30))
def test_blocks_cover_all_once_and_are_bounded(widths: list[int], columns: int) -> None:
    found = blocks(widths, columns)
    assert [k for block in found for k in block] == list(range(len(widths)))
    assert all(len(block) == 1 or sum(widths[k] for k in block) <= columns for block in found)


def test_no_product_is_larger_than_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    summed = pairwise._summed

    def watched(values: torch.Tensor, widths: list[int]) -> torch.Tensor:
        largest.append(max(values.shape))
        return summed(values, widths)

    monkeypatch.setattr(pairwise, "_summed", watched)
    phi_of_every_pair(bases([2] * 40), columns=8)
    assert max(largest) == 8


def test_progress_is_called_once_a_pair_of_blocks() -> None:
    calls: list[int] = []
    phi_of_every_pair(bases([2] * 7), columns=4, advance=lambda: calls.append(1))
    assert len(calls) == len(list(block_pairs([2] * 7, 4))) == 4 * 5 // 2


def test_float32_bases() -> None:
    us = bases([3, 4, 2])
    values = phi_of_every_pair([u.float() for u in us])
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, slow(us), atol=1e-6)  # float32


def test_symmetric_to_the_last_digit() -> None:
    values = phi_of_every_pair(bases([3, 1, 5, 5, 2]), columns=6)
    np.testing.assert_array_equal(values, values.T)
