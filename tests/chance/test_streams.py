from typing import get_args

import numpy as np
import torch

from lora_lens.chance.null_names import NullName
from lora_lens.chance.streams import null_generator, stream
from lora_lens.questions.shared.variants import generator


def test_every_null_draws_what_it_drew_before() -> None:
    """Its word is its own, wherever its name stands among the others'."""
    words = {
        "gaussian": 0,
        "propagated": 1,
        "mismatched": 2,
        "initialisation": 3,
        "equivalent": 4,
        "flipped": 5,
    }
    assert set(words) == set(get_args(NullName))
    for null in get_args(NullName):
        expected = np.random.SeedSequence((7, words[null], 3)).generate_state(1, np.uint64)[
            0
        ] >> np.uint64(1)
        assert null_generator(7, null, 3).initial_seed() == int(expected)


def test_the_nulls_of_shared_draw_what_they_drew_before() -> None:
    for place, null in enumerate(("flipped", "uniform", "mismatched", "single", "picks")):
        for factor in ("A", "B"):
            found = generator(7, null, factor, 2)
            assert found.initial_seed() == stream(7, 1000 + place, factor == "B", 2).initial_seed()


def test_which_streams_are_one() -> None:
    """What the module says of flips, whose streams have no word of a null."""

    def same(one: torch.Generator, other: torch.Generator) -> bool:
        return one.initial_seed() == other.initial_seed()

    assert same(stream(0, 0), null_generator(0, "gaussian"))
    assert same(stream(0, 0), null_generator(0, "gaussian", 0, 0))
    assert same(stream(0, 1), null_generator(0, "propagated", 0))
    assert same(stream(0, 2), null_generator(0, "mismatched"))
    assert not same(stream(0, 1), null_generator(0, "propagated", 1))
