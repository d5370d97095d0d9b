"""How much of a layer's factor the other layers' θ predicts, and what it is under three nulls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...adapter import ModuleFactors
from ...chance.against_null import NullTest, null_test
from ...chance.conversion_draws import FEWEST_LAYERS
from ...chance.draws import shuffles
from ...chance.flips import (
    Directions,
    OwnDirections,
    directions,
    own_directions,
    single_flips,
    single_moments,
)
from ...chance.gaussian_moments import gaussian_baseline
from ...chance.p_values import excess, holm, monte_carlo_p, standardised, two_sided_p
from ...chance.reach import reach_of_draws
from ...chance.significance import LEVEL
from ...core.computing.cores import on_cores
from ...core.computing.progress import Progress, Steps, passes, untold
from ...core.computing.spill import Spill
from ...core.shared.forwards import predicted_share, ranks
from ...core.shared.leave_one_out import carried_over, left_out
from ...core.shared.variants import Variants, variants_of
from ...labelled import Array
from ...subspaces.forwards import Factor, Forward, asks_transposed, forward
from ...updates import Convention
from .predicted import DESCRIBING, Predicted

FLIPS = 4999  # of one layer: they cost a small product each
# Of each layer's factor under a null. A draw picks one for every layer, so that what is dear is computed
# so often only; two draws have the variants of two given layers in common in one case of 1,600 (of the
# uniform null, which only describes and has half as many, of 400).
VARIANTS = 40
# Numbers of a W0, up to which a core to each is faster than all for one after another.
_ON_A_CORE = 1 << 20
_DECOMPOSING = 8 * 8  # bytes of each number of it
_AT_A_TIME_BYTES = 1 << 30
_STREAMS = ("flipped", "uniform", "mismatched", "single", "picks")
_FACTORS: tuple[Factor, ...] = ("A", "B")


class Asked(NamedTuple):
    """One adapter's module, W0 of its layers, W0's singular directions, where what is large waits, and how A is asked."""

    factors: ModuleFactors
    w0: Float[Tensor, "layer out in"]
    directions: tuple[Directions, ...]
    spill: Spill
    convention: Convention = "consistent"

    def forward(self, matrix: Factor, rank: int) -> Forward:
        """W0, or its transpose, and each layer's factor."""
        return forward(self.factors, self.w0, matrix, rank, self.convention)

    def own(self, q: Float[Tensor, "layer out r"], matrix: Factor) -> list[OwnDirections]:
        """Each layer's factor on its own W's directions."""
        turned = asks_transposed(matrix, self.convention)
        each = (of.transposed if turned else of for of in self.directions)
        return list(after_each(map(own_directions, each, q), self.spill.release))


def asked(
    factors: ModuleFactors,
    w0: Float[Tensor, "layer out in"],
    spill: Spill | None = None,
    progress: Progress = untold,
    convention: Convention = "consistent",
) -> Asked:
    """With the singular directions, which A and B have in common: one decomposition a layer.

    `spill` says where what is large waits; by default in memory. `progress` is called with (layers done, layers).
    """
    spill = spill or Spill()
    found = []
    small = w0[0].numel() <= _ON_A_CORE
    one = _DECOMPOSING * w0[0].numel()
    most = 1 + int(min(spill.most / 4, _AT_A_TIME_BYTES) // one)
    for layer, of in enumerate(on_cores(directions, w0, len(w0) if small else 1, most)):
        found.append(of._replace(u=spill.keep(of.u), v=spill.keep(of.v.mT).mT))
        spill.release()
        progress(layer + 1, len(w0))
    return Asked(factors, w0, tuple(found), spill, convention)


T = TypeVar("T")


def after_each(items: Iterable[T], release: Callable[[], None]) -> Iterator[T]:
    """The items; what each was made of need not be in memory once it is there."""
    for item in items:
        release()
        yield item


def predict(
    of: Asked,
    matrix: Factor,
    rank: int,
    width: int,
    *,
    draws: int,
    seed: int,
    tests: int,
    progress: Progress = untold,
) -> Predicted:
    """The predicted share of one factor; see `Predicted`.

    Args:
        of: Of two layers or more.
        matrix: ``A`` or ``B``.
        rank, width: r and k.
        draws: Of the mean's flips, each with all fits anew; 0 for none. Of the other nulls 50 at most.
        seed: Of all draws.
        tests: How many means are tested, for `Predicted.detectable`.
        progress: Called with how much is done, of how much.
    """
    fits, flips = passes(progress, 9, 1)
    given = of.forward(matrix, rank)
    own = of.own(given.q, matrix)
    trivial = _trivial(given, width)
    drawn = draws and not trivial
    nulls = _variants(given, own, draws, seed, matrix, of.spill.release) if drawn else {}
    fit = left_out(given.w, given.q, width, nulls, fits, of.spill.beside())
    share = np.full(len(own), np.nan) if trivial else fit.share.cpu().numpy()
    after_layer = _after_layer(of.spill.release, flips, len(share))
    by_layer, _ = _flips(own, fit.predicted, share, rank, seed, matrix, after_layer)
    flips_of_mean = fit.drawn["flipped"].mean(1).cpu().numpy() if nulls else None
    tested = {
        name: null_test(np.asarray(share.mean()), drawn.mean(1).cpu().numpy())
        for name, drawn in fit.drawn.items()
    }
    return Predicted(
        matrix=matrix,
        rank=rank,
        width=width,
        layers=of.factors.layers,
        share=share,
        chance=width / given.q.shape[-2],
        nulls=tested,
        by_layer=by_layer,
        p_holm=holm(np.asarray(by_layer.p)),
        draws={name: len(drawn) for name, drawn in fit.drawn.items()},
        flips=FLIPS,
        sqrt_kappa=fit.sqrt_kappa.numpy(),
        seen=tuple(fit.seen.tolist()),
        theta=fit.together.theta.cpu(),
        trivial=trivial,
        detectable=detectable(flips_of_mean, tests),
        drawn=flips_of_mean,
    )


def carry_over(
    own: Asked,
    other: Asked,
    matrix: Factor,
    rank: int,
    width: int,
    *,
    draws: int,
    seed: int,
    tests: int,
    progress: Progress = untold,
) -> Predicted:
    """How much of another adapter's factor the θ fitted to this one's other layers predicts.

    θ₋ₗ has seen layer l of neither. Flips are of the other's factors with θ as it is, so that a draw of
    the mean is one flip of each layer, and no fit is made anew.
    """
    fits, flips = passes(progress, 9, 1)
    given = own.forward(matrix, rank)
    fit = left_out(*given, width, progress=fits, spill=own.spill.beside())
    target = other.forward(matrix, rank)
    predicted = carried_over(fit, target.w)
    trivial = _trivial(given, width)
    share = predicted_share(predicted, target.q).cpu().numpy()
    if trivial:
        share[:] = np.nan
    turned = other.own(target.q, matrix)
    after_layer = _after_layer(other.spill.release, flips, len(share))
    by_layer, drawn = _flips(turned, predicted, share, rank, seed, matrix, after_layer)
    out, layers = target.q.shape[-2], len(share)
    deviation = gaussian_baseline(out, rank, width).sd * min(rank, width) / rank / math.sqrt(layers)
    count = min(draws, FLIPS)
    flips_of_mean = drawn[:, :count].mean(0) if draws and not trivial else None
    nulls = {
        "flipped": null_test(np.asarray(share.mean()), flips_of_mean),
        "uniform": null_test(np.asarray(share.mean()), None, mean=width / out, sd=deviation),
    } if draws and not trivial else {}  # fmt: skip
    return Predicted(
        matrix=matrix,
        rank=rank,
        width=width,
        layers=other.factors.layers,
        share=share,
        chance=width / out,
        nulls=nulls,
        by_layer=by_layer,
        p_holm=holm(np.asarray(by_layer.p)),
        draws={"flipped": count, "uniform": 0} if nulls else {},  # the second is in closed form
        flips=FLIPS,
        sqrt_kappa=fit.sqrt_kappa.numpy(),
        seen=tuple(fit.seen.tolist()),
        theta=fit.together.theta.cpu(),
        trivial=trivial,
        carried=True,
        detectable=detectable(flips_of_mean, tests),
        drawn=flips_of_mean,
    )


def _trivial(given: Forward, width: int) -> bool:
    """Whether the factors of all layers but one are fitted exactly by more directions of θ than it has columns.

    The others see min(in, (layers − 1)·out) dimensions of θ, of which each layer m leaves those with W_mθ in B_m: out − r_m
    conditions. Which of what is left θ₋ₗ is made of, rounding would decide, and the gauge.
    """
    layers, rows, dims = given.w.shape
    own = ranks(given.q)
    conditions = (layers - 1) * rows - int((own.sum() - own).max())
    return min(dims, (layers - 1) * rows) - conditions > width


def detectable(flipped: Array | None, tests: int) -> float | None:
    """The excess over the null's mean that is found in 80 of 100 cases at the corrected level, by its draws."""
    varies = flipped is not None and len(flipped) > 1 and bool(flipped.std() > 0)
    return reach_of_draws(flipped, LEVEL / tests) if varies and flipped is not None else None


def generator(seed: int, stream: str, matrix: str, layer: int = 0) -> torch.Generator:
    """A stream of its own for each null, factor and layer."""
    words = [seed, 1000 + _STREAMS.index(stream), _FACTORS.index(matrix), layer]
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _variants(
    given: Forward,
    own: Sequence[OwnDirections],
    draws: int,
    seed: int,
    matrix: Factor,
    release: Callable[[], None],
) -> dict[str, Variants]:
    layers, out, r = given.q.shape
    count, few = min(draws, VARIANTS), min(draws, DESCRIBING)
    made = (
        one.turned_rows(count, generator(seed, "flipped", matrix, l)) for l, one in enumerate(own)
    )
    turned = list(after_each(made, release))
    stream = generator(seed, "uniform", matrix)
    most = min(few, VARIANTS // 2)
    gaussian = torch.randn(layers, most, out, r, generator=stream, dtype=torch.float64)
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


def _after_layer(
    release: Callable[[], None], progress: Progress, layers: int
) -> Callable[[], None]:
    steps = Steps(progress, layers)

    def after() -> None:
        release()
        steps.advance()

    return after


def _flips(
    own: Sequence[OwnDirections],
    predicted: Float[Tensor, "layer out k"],
    share: Array,
    rank: int,
    seed: int,
    matrix: Factor,
    after_layer: Callable[[], None],
) -> tuple[NullTest[Array], Array]:
    """Each layer against flips of that layer alone, and those flips: (layer, draw); of shares that are none, nothing."""
    if np.isnan(share).all():
        for _ in own:
            after_layer()
        return NullTest(*[share] * 6), np.full((len(share), FLIPS), np.nan)
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
        after_layer()
    mean, sd = np.array(means), np.array(deviations)
    z = standardised(share, mean, sd)
    test = NullTest(mean, sd, z, np.array(p), excess(share, mean), np.array(both))
    return test, np.stack(every)
