"""How much of a layer's factor the other layers' θ predicts, and what it is under three nulls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from ...chance.against_null import NullTest, null_test
from ...chance.detectable import detectable_excess
from ...chance.flips import Directions
from ...chance.gaussian_moments import gaussian_baseline
from ...chance.hanging_together import (
    HangTogether,
    PulledBack,
    flips_of_theta,
    independent,
)
from ...chance.p_values import holm
from ...chance.significance import LEVEL
from ...core.computing.progress import Progress, passes, untold
from ...core.shared.leave_one_out import LeftOut, carried_over, left_out
from ...core.shared.shared_layer import LACKING, predicted_share, ranks
from ...core.similarity.layers_together import (
    AS_INDEPENDENT,
    LayersTogether,
    most_groups,
    scatter_of_mean,
)
from ...labelled import Array
from ...subspaces.w0_and_bases import Factor, W0AndBases, asks_transposed
from .asked import Asked
from .flips import FLIPS, flipped_alone, high_together
from .predicted import Predicted
from .terms import Terms
from .variants import generator, variants


def predict(of: Asked, matrix: Factor, terms: Terms, progress: Progress = untold) -> Predicted:
    """The predicted share of one factor; see `Predicted`.

    Args:
        of: Of two layers or more.
        matrix: ``A`` or ``B``.
        terms: On what terms.
        progress: Called with how much is done, of how much.
    """
    fits, flips = passes(progress, 9, 1)
    rank, width, draws, seed, _, ridge = terms
    given = of.w0_and_bases(matrix, rank)
    own = of.own(given.q, matrix)
    together = LayersTogether.of(list(given.q))
    trivial = not ridge and _trivial(given, width)
    whole = _whole(given, rank, width)
    drawn = draws and not (trivial or whole)
    picked = variants(given, own, draws, seed, matrix, of.spill.release) if drawn else {}
    fit = left_out(given.w, given.q, width, picked, fits, of.spill.beside(), ridge=ridge)
    trivial = trivial or _open(fit, rank, width, ridge)
    share = np.full(len(own), np.nan) if trivial else fit.share.cpu().numpy()
    by_null = (
        {} if trivial else {name: one.mean(1).cpu().numpy() for name, one in fit.drawn.items()}
    )
    # Known where every layer's prediction has all its dimensions.
    full = int(ranks(fit.predicted).min()) == width
    known = {"uniform": width / given.q.shape[-2]} if full else {}
    by_layer, _ = flipped_alone(
        own, fit.predicted, _testable(share, whole), rank, seed, matrix, of.spill.release, flips
    )
    return _predicted(
        fit, of, matrix, terms, share, by_layer,
        chance=width / given.q.shape[-2],
        nulls={
            name: null_test(np.asarray(share.mean()), means, mean=known.get(name))
            for name, means in by_null.items()
        },
        draws={name: len(means) for name, means in by_null.items()},
        flips_of_mean=by_null.get("flipped"),
        trivial=trivial,
        whole=whole,
        alike=float(scatter_of_mean(together, [together])[0]),
    )  # fmt: skip


def carry_over(
    own: Asked,
    other: Asked,
    matrix: Factor,
    terms: Terms,
    progress: Progress = untold,
    *,
    elsewhere: bool = False,
) -> Predicted:
    """How much of another adapter's factor the θ fitted to this one's other layers predicts.

    θ₋ₗ has seen layer l of neither. Flips are of the other's factors with θ as it is, so that a draw of
    the mean is one flip of each layer, and no fit is made anew. Where one θ′ made all of the other's layers, a draw is one flip of θ′, which
    turns all of them at once; where it made a part of them, nothing is tested of the mean (`HangTogether`). Where layers go together, in the factors and in what θ
    predicts of them, a draw is of fewer independent groups of layers, whose mean scatters as far, or a little farther (`most_groups`).

    Args:
        own: What θ is fitted to, of two layers or more.
        other: What it is to predict, of the same layers.
        matrix, terms, progress: As in `predict`.
        elsewhere: Whether one θ′ made the other's factors of something else than `other.w0_and_bases` has, so that flips cannot follow it.
    """
    fits, flips = passes(progress, 9, 1)
    rank, width, draws, seed, _, ridge = terms
    given = own.w0_and_bases(matrix, rank)
    fit = left_out(*given, width, progress=fits, spill=other.spill.beside(), ridge=ridge)
    target = other.w0_and_bases(matrix, rank)
    predicted = carried_over(fit, target.w, other.spill.release)
    trivial = (not ridge and _trivial(given, width)) or _open(fit, rank, width, ridge)
    whole = _whole(target, rank, width)
    share = predicted_share(predicted, target.q).cpu().numpy()
    if trivial:
        share[:] = np.nan
    turned = other.own(target.q, matrix)
    by_layer, drawn = flipped_alone(
        turned, predicted, _testable(share, whole), rank, seed, matrix, other.spill.release, flips
    )
    out, layers = target.q.shape[-2], len(share)
    deviation = gaussian_baseline(out, rank, width).sd * min(rank, width) / rank / math.sqrt(layers)
    count = min(draws, FLIPS)
    tested = draws and not (trivial or whole)
    both = [LayersTogether.of(list(bases)) for bases in (predicted, target.q)]
    scatter = float(scatter_of_mean(both[0], both[1:])[0])
    hang = _hang_together(other, target, matrix, terms) if tested else HangTogether(0.0)
    alike = scatter > AS_INDEPENDENT
    unknown = elsewhere or not (hang.theta is not None or alike or independent(1.0, hang.energy))
    times, flips_of_mean = 1.0, None
    if tested and not unknown:
        if hang.theta is not None:
            layers_of = zip(_directions(other, matrix), predicted, strict=True)
            turns = flips_of_theta(hang, layers_of, count, generator(seed, "theta", matrix))
            flips_of_mean = turns.mean(1).numpy() + np.asarray(by_layer.mean).mean()
            times = float(flips_of_mean.std() / max(drawn[:, :count].mean(0).std(), 1e-300))
        else:
            times = scatter if alike else 1.0
            (groups,) = most_groups(np.asarray(by_layer.sd), np.array([times])).tolist()
            flips_of_mean = high_together(drawn[:, :count], groups).mean(0)
    mean = np.asarray(share.mean())
    return _predicted(
        fit, other, matrix, terms, share, by_layer,
        chance=width / out,
        nulls={} if flips_of_mean is None else {
            "flipped": null_test(mean, flips_of_mean),
            "uniform": null_test(mean, None, mean=width / out, sd=deviation * times),
        },
        draws={} if flips_of_mean is None else {"flipped": count, "uniform": 0},  # the second is in closed form
        flips_of_mean=flips_of_mean,
        trivial=trivial,
        whole=whole,
        carried=True,
        scatter=scatter,
        hang_together=hang.energy if tested else None,
        of_one_theta=hang.theta is not None,
        unknown=bool(tested and unknown),
    )  # fmt: skip


def _hang_together(other: Asked, target: W0AndBases, matrix: Factor, terms: Terms) -> HangTogether:
    """How far the other adapter's layers do, one layer's W at a time."""
    pulled = PulledBack(terms.seed)
    for of, q in zip(_directions(other, matrix), target.q, strict=True):
        pulled.add(of, [q])
    return pulled.hang_together()[0]


def _directions(of: Asked, matrix: Factor) -> Iterator[Directions]:
    """Of what the factor is asked of, a layer at a time."""
    turned = asks_transposed(matrix, of.convention)
    for one in of.directions:
        yield one.transposed if turned else one
        of.spill.release()


def _predicted(
    fit: LeftOut,
    of: Asked,
    matrix: Factor,
    terms: Terms,
    share: Array,
    by_layer: NullTest[Array],
    *,
    chance: float,
    nulls: Mapping[str, NullTest[float]],
    draws: Mapping[str, int],
    flips_of_mean: Array | None,
    trivial: bool,
    whole: bool,
    carried: bool = False,
    scatter: float = 1.0,
    alike: float = 1.0,
    hang_together: float | None = None,
    of_one_theta: bool = False,
    unknown: bool = False,
) -> Predicted:
    """What `predict` and `carry_over` have found of the factors of one adapter, by θ that were fitted to it or to another."""
    return Predicted(
        matrix=matrix,
        rank=terms.rank,
        width=terms.width,
        layers=of.factors.layers,
        share=share,
        chance=chance,
        nulls=nulls,
        by_layer=by_layer,
        p_holm=holm(np.asarray(by_layer.p)),
        draws=draws,
        flips=FLIPS,
        sqrt_kappa=fit.sqrt_kappa.numpy(),
        seen=tuple(fit.seen.tolist()),
        seen_alone=tuple(fit.seen_alone.tolist()),
        theta=fit.together.theta.cpu(),
        trivial=trivial,
        whole=whole,
        carried=carried,
        scatter=scatter,
        alike=alike,
        hang_together=hang_together,
        of_one_theta=of_one_theta,
        unknown=unknown,
        detectable=detectable(flips_of_mean, terms.tests),
        drawn=flips_of_mean,
    )


def _trivial(given: W0AndBases, width: int) -> bool:
    """Whether the factors of all layers but one are fitted exactly by more directions of θ than it has columns.

    The others see min(in, (layers − 1)·out) dimensions of θ, of which each layer m leaves those with W_mθ in B_m: out − r_m
    conditions. Which of what is left θ₋ₗ is made of, rounding would decide, and the gauge.
    """
    layers, rows, dims = given.w.shape
    own = ranks(given.q)
    conditions = (layers - 1) * rows - int((own.sum() - own).max())
    return min(dims, (layers - 1) * rows) - conditions > width


def _open(fit: LeftOut, rank: int, width: int, ridge: float) -> bool:
    """Whether more directions than θ has columns turned out to fit the other layers' factors equally well.

    Without a ridge that is exactly, where W0 has the rows and not the rank, and it is
    not asked of a θ narrower than the factors: whichever it is of what a shared layer is made of, it yields as much. With one it is wherever
    two eigenvalues are the same, as with orthogonal W0.
    """
    following = fit.values[:, width:]
    if ridge:
        return bool((following >= (1 - LACKING**2) * fit.values[:, width - 1 : width]).any())
    return width >= rank and bool((following >= 1 - LACKING**2).any())


def _whole(of: W0AndBases, rank: int, width: int) -> bool:
    """Whether a factor or a prediction is of as many dimensions as its space, so that nothing but rounding is left to test."""
    return min(rank, int(ranks(of.q).min())) >= of.q.shape[-2] or width >= of.q.shape[-2]


def _testable(share: Array, whole: bool) -> Array:
    return np.full_like(share, np.nan) if whole else share


def detectable(flipped: Array | None, tests: int) -> float | None:
    """The excess over the null's mean that is found in 80 of 100 cases at the corrected level, by its draws."""
    varies = flipped is not None and len(flipped) > 1 and bool(flipped.std() > 0)
    return detectable_excess(flipped, LEVEL / tests) if varies and flipped is not None else None
