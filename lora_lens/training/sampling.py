"""The order in which rows are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

_POOL = 50  # batches that are sorted together: enough to save padding, few enough to stay random


class LengthGrouped(Sampler[int]):
    """A random order in which the rows of one batch are of like length.

    Rows are shuffled, cut into pools of 50 batches, and sorted by length within each; then the
    batches are shuffled. Seed and epoch alone decide it, so that a resumed run meets the same order,
    and so does a run on several devices.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        self.lengths = torch.tensor(lengths, dtype=torch.int64)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch next; transformers' Trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        pools = order.split(_POOL * self.batch_size)
        batches = [
            batch
            for pool in pools
            for batch in pool[self.lengths[pool].argsort(stable=True)].split(self.batch_size)
        ]
        # The one batch that may be short must come last: the loader cuts every batch_size rows.
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        short = [batch for batch in batches if len(batch) < self.batch_size]
        shuffled = torch.randperm(len(whole), generator=generator).tolist()
        yield from torch.cat([*(whole[index] for index in shuffled), *short]).tolist()
