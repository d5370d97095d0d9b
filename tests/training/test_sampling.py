import pytest
import torch
from torch.utils.data import BatchSampler

from lora_lens.training.sampling import LengthGrouped

LENGTHS = torch.randint(3, 90, (2003,), generator=torch.Generator().manual_seed(0)).tolist()


def batches(**changes: int) -> list[list[int]]:
    sampler = LengthGrouped(LENGTHS, **({"batch_size": 16, "seed": 0} | changes))
    sampler.set_epoch(changes.get("epoch", 0))
    return list(BatchSampler(sampler, 16, drop_last=False))


def test_every_row_once() -> None:
    assert sorted(row for batch in batches() for row in batch) == list(range(2003))


def test_padding_nearly_vanishes() -> None:
    def padded(order: list[list[int]]) -> int:
        return sum(max(LENGTHS[row] for row in batch) * len(batch) for batch in order)

    shuffled = torch.randperm(2003, generator=torch.Generator().manual_seed(1)).tolist()
    at_random = [shuffled[start : start + 16] for start in range(0, 2003, 16)]
    assert padded(batches()) < 1.05 * sum(LENGTHS)
    assert padded(at_random) > 1.5 * sum(LENGTHS)


def test_the_order_of_batches_is_random() -> None:
    means = torch.tensor([sum(LENGTHS[row] for row in b) / len(b) for b in batches()])
    neighbours = torch.corrcoef(torch.stack([means[:-1], means[1:]]))[0, 1]
    assert abs(neighbours) < 0.25  # 125 batches: two deviations are 0.18


def test_seed_and_epoch_alone_decide() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = LengthGrouped(LENGTHS, batch_size=16, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    torch.manual_seed(5)
    one = order(3, 2)
    torch.manual_seed(6)
    assert order(3, 2) == one
    assert order(3, 1) != one
    assert order(2, 2) != one


@pytest.mark.parametrize("rows", [1, 15, 16, 17])
def test_few_rows(rows: int) -> None:
    sampler = LengthGrouped(LENGTHS[:rows], batch_size=16, seed=0)
    assert len(sampler) == rows
    assert sorted(sampler) == list(range(rows))
