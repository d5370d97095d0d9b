"""What draws of the mean's nulls pick from: every layer's factor turned by flips, uniform, and of other layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from ...chance.draws import FEWEST_LAYERS, shuffles
from ...chance.flips import OwnDirections
from ...chance.streams import stream
from ...core.shared.shared_layer import ranks
from ...core.shared.variants import Variants, variants_of
from ...subspaces.w0_and_bases import Factor, W0AndBases
from .asked import after_each
from .predicted import DESCRIBING

# Of each layer's factor under a null. A draw picks one for every layer, so that what is dear is computed
# so often only; two draws have the variants of two given layers in common in one case of 1,600 (of the
# uniform null, which only describes and has half as many, of 400). Of few layers each tells more of the mean, and has more:
# with 40 of two p up to .001 came up three times as often as they should.
_VARIANTS, _OF_ALL = 40, 480
_MANY = 6  # layers from which on 40 do
# Words of their streams: above those of `lora_lens.chance.streams`.
_WORDS = {
    "flipped": 1000,
    "uniform": 1001,
    "mismatched": 1002,
    "single": 1003,
    "picks": 1004,
    "theta": 1005,
}
_FACTORS: Mapping[Factor, int] = {"A": 0, "B": 1}


class Counts(NamedTuple):
    """How many turned factors of each layer the draws of a null pick from."""

    flipped: int
    uniform: int


def counts(layers: int, draws: int) -> Counts:
    """Of so many layers and draws.

    Example:
        >>> [counts(layers, 999).flipped for layers in (2, 3, 6, 12)]
        [240, 160, 40, 40]
    """
    most = _VARIANTS if layers >= _MANY else _OF_ALL // max(2, layers)
    return Counts(min(draws, most), min(draws, DESCRIBING, most // 2))


def variants(
    given: W0AndBases,
    own: Sequence[OwnDirections],
    draws: int,
    seed: int,
    matrix: Factor,
    release: Callable[[], None],
) -> dict[str, Variants]:
    """By null; ``mismatched`` where there are layers enough to shuffle. `release` is called after each layer."""
    layers, out, r = given.q.shape
    (count, most), few = counts(layers, draws), min(draws, DESCRIBING)
    made = (
        one.turned_rows(count, generator(seed, "flipped", matrix, l)) for l, one in enumerate(own)
    )
    turned = list(after_each(made, release))
    drawn = generator(seed, "uniform", matrix)
    gaussian = torch.randn(layers, most, out, r, generator=drawn, dtype=torch.float64)
    uniform = torch.linalg.qr(gaussian.to(given.q)).Q
    picks = generator(seed, "picks", matrix)
    of_uniform = torch.randint(most, (few, layers), generator=picks)
    of_flipped = torch.randint(count, (draws, layers), generator=picks)
    same = ranks(given.q)[:, None].expand(layers, count)
    found = {
        "uniform": variants_of(given.w, uniform, of_uniform, release),
        "flipped": Variants(torch.stack(turned), same, of_flipped),
    }
    if layers >= FEWEST_LAYERS:
        others = given.q[None].expand(layers, layers, out, r)
        orders = shuffles(layers, draws=few, generator=generator(seed, "mismatched", matrix))
        found["mismatched"] = variants_of(given.w, others, orders, release)
    return found


def generator(seed: int, null: str, matrix: Factor, layer: int = 0) -> torch.Generator:
    """A stream of its own for each null, factor and layer."""
    return stream(seed, _WORDS[null], _FACTORS[matrix], layer)
