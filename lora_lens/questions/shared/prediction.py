"""How much of a layer's factor the other layers' θ predicts, and what it is under three nulls."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...adapter import ModuleFactors
from ...chance.against_null import NullTest, null_test
from ...chance.conversion_draws import FEWEST_LAYERS
from ...chance.draws import shuffles
from ...chance.flips import OwnDirections, own_directions, single_flips, single_moments
from ...chance.p_values import excess, holm, monte_carlo_p, standardised, two_sided_p
from ...core.left_out import LeftOut, left_out
from ...core.refits import Variants
from ...labelled import Array
from ...subspaces.forwards import Factor, Forward, forward
from .predicted import Predicted

FLIPS = 4999  # of one layer: they cost a small product each
# Of each layer's factor under a null. A draw picks one for every layer, so that what is dear is computed
# so often only; two draws have the variants of two given layers in common in one case of 1,600.
VARIANTS = 40
LEVEL, POWER = 0.05, 0.8
_STREAMS = ("flipped", "uniform", "mismatched", "single", "picks")
_FACTORS: tuple[Factor, ...] = ("A", "B")


def predict(
    factors: ModuleFactors,
    w0: Float[Tensor, "layer out in"],
    matrix: Factor,
    rank: int,
    width: int,
    *,
    draws: int,
    seed: int,
    tests: int,
) -> Predicted:
    """The predicted share of one factor; see `Predicted`.

    Args:
        factors: Of two layers or more.
        w0: Of its layers.
        matrix: ``A`` or ``B``.
        rank, width: r and k.
        draws: Of each null of the mean, each with all fits anew; 0 for none.
        seed: Of all draws.
        tests: How many means are tested, for `Predicted.detectable`.
    """
    asked = forward(factors, w0, matrix, rank)
    own = [own_directions(w, q) for w, q in zip(asked.w, asked.q, strict=True)]
    nulls = _variants(asked, own, draws, seed, matrix) if draws else {}
    fit = left_out(asked.w, asked.q, width, nulls)
    share = fit.share.cpu().numpy()
    by_layer = _by_layer(own, fit, share, rank, seed, matrix)
    tested = {
        name: null_test(np.asarray(share.mean()), drawn.mean(1).cpu().numpy())
        for name, drawn in fit.drawn.items()
    }
    return Predicted(
        matrix=matrix,
        rank=rank,
        width=width,
        layers=factors.layers,
        share=share,
        chance=width / asked.q.shape[-2],
        nulls=tested,
        by_layer=by_layer,
        p_holm=holm(np.asarray(by_layer.p)),
        draws=draws,
        flips=FLIPS,
        sqrt_kappa=fit.sqrt_kappa.numpy(),
        seen=tuple(fit.seen.tolist()),
        theta=fit.together.theta.cpu(),
        trivial=(len(share) - 1) * asked.w.shape[1] <= asked.w.shape[2],
        detectable=detectable(tested.get("flipped"), tests),
    )


def detectable(test: NullTest[float] | None, tests: int) -> float | None:
    """The excess over the null's mean that is found in 80 of 100 cases at the corrected level."""
    if test is None or not np.isfinite(test.sd):
        return None
    normal = NormalDist()
    return (normal.inv_cdf(1 - LEVEL / tests / 2) + normal.inv_cdf(POWER)) * float(test.sd)


def generator(seed: int, stream: str, matrix: str, layer: int = 0) -> torch.Generator:
    """A stream of its own for each null, factor and layer."""
    words = [seed, 1000 + _STREAMS.index(stream), _FACTORS.index(matrix), layer]
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _variants(
    asked: Forward, own: Sequence[OwnDirections], draws: int, seed: int, matrix: Factor
) -> dict[str, Variants]:
    layers, out, r = asked.q.shape
    count = min(draws, VARIANTS)
    flipped = torch.stack(
        [one.flipped(count, generator(seed, "flipped", matrix, l)) for l, one in enumerate(own)]
    )
    stream = generator(seed, "uniform", matrix)
    gaussian = torch.randn(layers, count, out, r, generator=stream, dtype=torch.float64)
    uniform = torch.linalg.qr(gaussian.to(asked.q)).Q
    picks = generator(seed, "picks", matrix)
    chosen = [torch.randint(count, (draws, layers), generator=picks) for _ in range(2)]
    found = {"uniform": Variants(uniform, chosen[0]), "flipped": Variants(flipped, chosen[1])}
    if layers >= FEWEST_LAYERS:
        others = asked.q[None].expand(layers, layers, out, r)
        orders = shuffles(layers, draws=draws, generator=generator(seed, "mismatched", matrix))
        found["mismatched"] = Variants(others, orders)
    return found


def _by_layer(
    own: Sequence[OwnDirections], fit: LeftOut, share: Array, rank: int, seed: int, matrix: Factor
) -> NullTest[Array]:
    means, deviations, p, both = [], [], [], []
    for layer, (one, predicted) in enumerate(zip(own, fit.predicted, strict=True)):
        stream = generator(seed, "single", matrix, layer)
        drawn = single_flips(one, predicted, rank, FLIPS, stream).cpu().numpy()
        closed = single_moments(one, predicted, rank)
        means.append(drawn.mean() if closed is None else closed.mean)
        deviations.append(drawn.std(ddof=1) if closed is None else closed.sd)
        own_share = np.asarray(share[layer])
        p.append(monte_carlo_p(own_share, drawn))
        both.append(two_sided_p(own_share, drawn))
    mean, sd = np.array(means), np.array(deviations)
    return NullTest(
        mean, sd, standardised(share, mean, sd), np.array(p), excess(share, mean), np.array(both)
    )
