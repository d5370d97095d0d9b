"""Streams of random numbers, each seeded by several words: what is asked for beside one changes nothing of it."""

from __future__ import annotations

import numpy as np
import torch

from .null_names import NULLS, NullName


def stream(*words: int) -> torch.Generator:
    """A generator of its own for these words, on the CPU.

    Example:
        >>> one, same, other = (torch.rand(3, generator=stream(0, k)) for k in (4, 4, 5))
        >>> torch.equal(one, same), torch.equal(one, other)
        (True, False)
    """
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def null_generator(seed: int, null: NullName, *part: int) -> torch.Generator:
    """A generator for each null, and for each part of its draws: a layer's.

    So asking for one null changes no number of another's, and the order of drawing changes nothing.

    Example:
        >>> layers = (null_generator(0, "propagated", layer) for layer in (4, 4, 5))
        >>> one, same, other = (torch.rand(3, generator=generator) for generator in layers)
        >>> torch.equal(one, same), torch.equal(one, other)
        (True, False)
    """
    return stream(seed, NULLS.index(null), *part)
