"""Each layer's share beside flips of that layer alone, the other layers' θ as it is, and such flips of layers that go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ...chance.against_null import NullTest
from ...chance.flips import OwnDirections, single_flips, single_moments
from ...chance.p_values import excess, monte_carlo_p, standardised, two_sided_p
from ...core.computing.progress import Progress
from ...labelled import Array
from ...subspaces.w0_and_bases import Factor
from .variants import generator

FLIPS = 4999  # of one layer: they cost a small product each


def flipped_alone(
    own: Sequence[OwnDirections],
    predicted: Float[Tensor, "layer out k"],
    share: Array,
    rank: int,
    seed: int,
    matrix: Factor,
    release: Callable[[], None],
    progress: Progress,
) -> tuple[NullTest[Array], Array]:
    """Each layer against flips of that layer alone, and those flips: (layer, draw); of shares that are none, nothing.

    `progress` is called with (layers done, layers), and `release` after each.
    """
    if np.isnan(share).all():
        progress(len(share), len(share))
        return NullTest.nothing(len(share)), np.full((len(share), FLIPS), np.nan)
    means, deviations, p, both, every = [], [], [], [], []
    for layer, (one, basis) in enumerate(zip(own, predicted, strict=True)):
        stream = generator(seed, "single", matrix, layer)
        drawn = single_flips(one, basis, rank, FLIPS, stream).cpu().numpy()
        closed = single_moments(one, basis, rank)
        means.append(drawn.mean() if closed is None else closed.mean)
        deviations.append(drawn.std(ddof=1) if closed is None else closed.sd)
        own_share = np.asarray(share[layer])
        p.append(monte_carlo_p(own_share, drawn))
        both.append(two_sided_p(own_share, drawn))
        every.append(drawn)
        release()
        progress(layer + 1, len(share))
    mean, sd = np.array(means), np.array(deviations)
    z = standardised(share, mean, sd)
    test = NullTest(
        mean=mean,
        sd=sd,
        z=z,
        p=np.array(p),
        excess=excess(share, mean),
        p_two_sided=np.array(both),
    )
    return test, np.stack(every)


def high_together(drawn: Float[Array, "layer draw"], groups: int) -> Float[Array, "layer draw"]:
    """The same flips of every layer, in an order in which the layers of a group are high together; of as many groups as layers, as they are.

    Args:
        drawn: Of each layer by itself.
        groups: A layer's group is its position modulo their number, as in `most_groups`.

    Example:
        >>> high_together(np.array([[0.1, 0.3, 0.2], [0.0, 0.5, 0.9], [0.6, 0.4, 0.5]]), 2)
        array([[0.1, 0.3, 0.2],
               [0. , 0.5, 0.9],
               [0.4, 0.6, 0.5]])
    """
    order = drawn.argsort(1).argsort(1)[np.arange(len(drawn)) % groups]
    return np.asarray(np.take_along_axis(np.sort(drawn, axis=1), order, axis=1))
