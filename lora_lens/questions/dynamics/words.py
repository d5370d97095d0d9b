"""What is seen in a run's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...show.layout import sided
from ...show.wording import ONE, listed
from ...subspaces.factors import SPACES
from .result import DynamicsResult, over_layers


def summary(result: DynamicsResult) -> str:
    """From where on each subspace is over half of the way from chance to its end, and which is there throughout. A description: nothing is tested.

    To the last checkpoint, though the end point, which is as near as can be and tells nothing of others, may be one before. A checkpoint at which φ does not exist in
    every layer is not near.
    """
    of_its_own = np.isin(result.names, [result.end, *result.twins])
    if of_its_own.all():
        return f"{result.module}: {_nothing_else(result)}."
    parts, throughout, never, whole, unmoved = [], [], [], [], []
    for space, grid in result.to_end.items():
        what, chance = sided(*SPACES[space]), result.baselines[space].mean
        if chance > ONE:
            whole.append(what)
            continue
        means = over_layers(grid)
        near = means > (1 + chance) / 2
        stays = np.logical_and.accumulate((near | of_its_own)[::-1])[::-1]
        if (means > ONE).all():
            unmoved.append(what)
        elif stays[0]:
            throughout.append(what)
        elif (stays & ~of_its_own).any():
            parts.append(f"{what} from step {result.label(int(np.argmax(stays)))} on")
        else:
            never.append(what)
    if throughout:
        first = f"the first of step {result.label(0)}"
        parts.insert(0, f"{listed(throughout)} at every checkpoint kept, {first}")
    if never:
        copies = " and its copies" * bool(result.twins)
        parts.append(f"{listed(never)} at no checkpoint but the end point{copies}")
    of = f"the subspace{'s' * (len(unmoved) > 1)} of {listed(unmoved)}"
    still = f"{of} did not move" if unmoved else ""
    if not parts:
        full = f"{_all_of(whole)}, so that φ is 1 throughout" if whole else ""
        return f"{result.module}: {'; '.join(filter(None, [still, full]))}."
    said = (
        f"{result.module}: {f'{still}; ' * bool(still)}φ to the end point, mean over the layers, is over half of the way "
        f"from chance to 1 and stays there: {'; '.join(parts)}"
    )
    return f"{said} ({_all_of(whole)})." if whole else f"{said}."


def _nothing_else(result: DynamicsResult) -> str:
    one = len(result.names) == 1
    what = (
        "one checkpoint is kept" if one else "every checkpoint kept holds the end point's factors"
    )
    return f"{what}, so that nothing is seen of how they came to be"


def _all_of(spaces: Sequence[str]) -> str:
    return f"{listed(spaces)} {'has' if len(spaces) == 1 else 'have'} all directions"
