"""Streams of random numbers, each seeded by several words: what is asked for beside one changes nothing of it.

Two streams are separate where their words differ, and not only by zeros at their end, which seed nothing: those of
`null_generator` are, for each null and each part of it. But one question's streams and another's may be the same, and so
may be the signs of `lora_lens.chance.flipped_phi`, whose words are a seed and a layer's position and no null: those of
layers 0 and 2 are the streams of `gaussian` and `mismatched`, that of layer 1 is `propagated`'s of layer 0. Of `layer_generator`
there is one for `spectrum` and `magnitude`. What is drawn twice from one stream is not independent, but no p-value counts draws of two nulls.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from .null_names import NullName

# Each null's word, which is never another's: whatever was drawn before must be drawn again.
_WORDS: Mapping[NullName, int] = {
    "gaussian": 0,
    "propagated": 1,
    "mismatched": 2,
    "initialisation": 3,
    "equivalent": 4,
    "flipped": 5,
}


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
    return stream(seed, _WORDS[null], *part)


def layer_generator(seed: int, name: str, start: int) -> torch.Generator:
    """A generator for the random ΔW of one layer, by its name, so that no number depends on which others are there.

    Args:
        seed: Of all layers.
        name: The module's full path.
        start: Its first row, where it is a part of a fused projection.

    Example:
        >>> layers = (layer_generator(0, f"layer.{k}.value", 0) for k in (4, 4, 5))
        >>> one, same, other = (torch.rand(3, generator=generator) for generator in layers)
        >>> torch.equal(one, same), torch.equal(one, other)
        (True, False)
    """
    return null_generator(seed, "gaussian", *name.encode(), start)
