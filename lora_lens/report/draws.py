"""How many draws a report makes of each null where nobody says."""

from __future__ import annotations

from collections.abc import Sequence

from ..chance.p_values import fewest_draws
from ..chance.significance import LEVEL
from .asked import ASKED
from .module_sizes import ModuleSizes
from .units import Unit

_USUAL = 200
_MOST_NUMBERS = 1 << 28  # of a null's bases in float32: 1 GiB


def enough_draws(units: Sequence[Unit]) -> int:
    """Draws from which every test of a report can be found after correction, where they fit in memory.

    20 times as many as there are tests, 200 at least; of a large model as many as 1 GiB holds, and then
    the page says what could not be found.
    """
    alone = sum(one.tests for one in ASKED if one.needs != "other")
    between = sum(one.tests for one in ASKED if one.needs == "other")
    wanted = fewest_draws(LEVEL, tests=sum(between if len(u.of) > 1 else alone for u in units))
    largest = max(_numbers(sizes) for unit in units for sizes in unit.sizes)
    return max(_USUAL, min(wanted, _MOST_NUMBERS // largest))


def _numbers(sizes: ModuleSizes) -> int:
    """How many numbers one draw of a null has: a basis a layer."""
    return sizes.layers * max(sizes.in_features, sizes.out_features) * max(sizes.ranks)
