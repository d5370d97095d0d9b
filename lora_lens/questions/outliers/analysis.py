"""Which coordinates make conversions alike across layers, whatever was trained?"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ...adapter import Adapter
from ...bases.along import said_beside
from ...bases.weights import BaseWeights
from ...chance.conversion_draws import NullBases
from ...chance.gaussian_moments import gaussian_baseline, mean_off_diagonal_sd
from ...chance.least_memory import within
from ...chance.p_values import check_seed
from ...chance.spacings import Apart, most_outliers, standing_apart
from ...core.computing.progress import Progress, Steps, passes
from ...core.computing.work import beside, of_bases, of_grids
from ...core.conversions.conversion import ConventionChoice
from ...core.conversions.outliers import magnification, unit_shares
from ...core.numbers.whole import whole, whole_or_none
from ...core.solving.factoring import Factored
from ...errors import LensError
from ...formats.loading import Model
from ...labelled import Array
from ...plain_torch import in_plain_torch
from ...subspaces.conversions import Plan, check_request
from ...subspaces.device import select_device
from ...subspaces.layers import collect_bases
from ...subspaces.memory import Least
from .asked import Asked, asked_of
from .explaining import (
    ENTRIES,
    Explained,
    Reached,
    Rescaling,
    beyond_w0,
    look,
    mean_share_p,
    pieces,
)
from .notes import crowd_said, notes_of
from .result import LEVEL, Coordinate, OutliersResult
from .source import source_of

_LISTED = 10  # candidates that are shown, named or not


@in_plain_torch
def outliers(
    adapter: Adapter | str | Path | Model | BaseWeights,
    module: str = "value",
    *,
    untrained: int | None = None,
    matrix: Literal["A", "B"] = "B",
    convention: ConventionChoice = "auto",
    draws: int = 200,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    base: BaseWeights | str | Path | None = None,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> OutliersResult:
    """Coordinates that W0⁻¹ puts into every layer's conversions, and what of φ they explain.

    Where a few coordinates have a nearly empty column in W0 of many layers, W0⁻¹ magnifies them there, and
    whatever goes through W0⁻¹ comes out holding the same unit vectors: conversions of untrained factors are
    alike too. A coordinate is named where it stands apart from all others: its magnification, the mean
    over the layers of 1/n² (n its column's norm beside the layer's median), lies above a gap that the
    largest of so many numbers have with a chance of at most 1 % (`LEVEL`) where none stands apart and they
    fall off as an exponential does or faster. (A heavier tail reaches it more often: columns of lengths drawn
    from a gamma distribution of shape 4 in one of five W0, where no column is of another kind than the rest.)
    That depends on W0 alone. φ with those columns scaled to the median norm says what hangs on
    them: it is a sensitivity, not a correction, for the model with such a W0 is another one.

    Args:
        adapter: From `load_adapter`, or what that takes; or a base alone, from `open_base` or by its folder, whose factors
            are then untrained Gaussian ones.
        module: As in `conversion_similarity`.
        untrained: A rank: take untrained Gaussian factors in the place of the adapter's. Of a base alone: 8
            by default.
        matrix: Whose conversions: ``A`` or ``B``.
        convention: As in `conversion_similarity`. Coordinates are W0's inputs, but its outputs for ``A``
            under ``consistent``; "columns" are then rows.
        draws: Of the propagated null, random factors through the same W0; at least 2.
        seed: Of those draws, and of untrained factors.
        device, dtype, base, memory, progress: As in `conversion_similarity`.

    Returns:
        The named coordinates, strongest first, with their columns' norms, the share of each unit vector
        that conversion subspaces hold, and the share of the excess over Gaussian that it explains, alone
        and together; φ and its nulls before and after. All singular vectors are taken where all layers have
        one rank, so that no number depends on the gauge then.

    Warns:
        RankDeficientWarning: W0 of a layer is rank-deficient, and its Moore-Penrose inverse stands in.

    Raises:
        LensError: No such matrix or convention; fewer than 2 draws; a negative seed; W0 mostly empty.
        ModuleLookupError: No such module.
        RankError: An untrained (zero) factor; a rank above W0's widths.
        SingularError: Under ``stored``, a rectangular or singular W0.
        BaseModelError: The base is not found or does not fit.

    Example:
        >>> import lora_lens as ll
        >>> base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> result = ll.outliers(base, "value", draws=20)
        >>> [one.coordinate for one in result.coordinates]
        [99, 223]
    """
    if matrix not in ("A", "B"):
        raise LensError(f"matrix is {matrix!r}, expected 'A' or 'B': BA's left subspace is B's")
    draws, untrained = whole(draws, "draws"), whole_or_none(untrained, "untrained")
    if draws < 2:
        raise LensError(f"draws is {draws}; expected at least 2, for this is about random factors")
    seed = check_seed(seed)
    asked = asked_of(source_of(adapter, base), module, untrained, convention, base, seed)
    plan = _planned(asked, matrix, draws, memory)
    factors, rank = asked.factors, plan.width
    turned = matrix == "A" and plan.convention == "consistent"
    relative = asked.relative_norms(of_rows=turned)
    layers, d = relative.shape
    inverse = d <= (factors.in_features if turned else factors.out_features)
    magnified = magnification(relative, inverse=inverse).numpy()
    apart = standing_apart(magnified, LEVEL)
    # An empty column has no norm to scale.
    scale = torch.where(relative > 0, 1 / relative, 1.0)
    what = "rows" if turned else "columns"
    rescaling = Rescaling(apart.at(LEVEL), scale, turned)
    looks = 4 + 2 * len(rescaling.named)  # before, every, after, shares; each alone, and together
    steps = of_bases(plan.size, 1), of_grids(plan.size, looks)
    conversions, looking = passes(progress, *beside(*steps))
    null = NullBases(plan, ("propagated",), seed)

    def watch(factored: Factored, start: int, device: torch.device, progress: Progress) -> Reached:
        null.add(factored, start, device, progress)
        return rescaling.reached(factored)

    where = select_device(device, dtype)
    bases, rescaling.seen, singular = collect_bases(plan, asked.weights, where, watch, conversions)
    own = bases[matrix]
    trained = own if asked.adapter else None
    drawn = null.bases["propagated", matrix]
    gaussian = (gaussian_baseline(d, rank).mean, mean_off_diagonal_sd(d, layers, rank))
    done = Steps(looking, looks * len(pieces(drawn)))

    def release() -> None:
        null.spill.release()
        done.advance()

    seen = look(rescaling, trained, drawn, gaussian[0], release)
    explained, every, shares = seen.explained, seen.every, seen.shares
    held = shares.mean(0, dtype=torch.float64) if trained is None else unit_shares(trained)
    looking(1, 1)
    return OutliersResult(
        adapter=asked.adapter.source if asked.adapter else None,
        base=asked.weights.source,
        base_commit=asked.weights.commit,
        method=asked.adapter.method if asked.adapter else "untrained",
        module=factors.module,
        matrix=matrix,
        convention=plan.convention,
        convention_why=asked.convention.why,
        rank=rank,
        layers=factors.layers,
        space="outputs" if turned else "inputs",
        dimension=d,
        inverse=inverse,
        candidates=_candidates(
            explained, apart, magnified, relative, held.cpu().numpy(), shares, trained is not None
        ),
        considered=most_outliers(d),
        gaussian=gaussian,
        before=seen.before,
        after=seen.after,
        every=(every.mean, every.deep) if every else (float("nan"),) * 2,
        explained=explained.total,
        magnifications=magnified,
        shares=held.mean(0).cpu().numpy(),
        beyond=() if trained is None else beyond_w0(held.cpu().numpy(), shares),
        draws=draws,
        seed=seed,
        notes=(
            *(said_beside(asked.adapter, asked.weights) if asked.adapter else asked.weights.notes),
            *singular,
            *notes_of(asked, plan, relative, inverse, explained, what),
            *crowd_said(magnified, rescaling.named, what, inverse=inverse),
        ),
    )


def _planned(asked: Asked, matrix: Literal["A", "B"], draws: int, memory: str | int | None) -> Plan:
    """All singular vectors that every layer has, of conversions and as many draws as were asked for.

    Raises as `outliers` does.
    """
    factors, rank = asked.factors, min(asked.factors.ranks)
    plan = Plan(factors, (matrix,), rank, rank, "left", asked.convention.name, draws)
    plan = within(plan, ("propagated",), memory, _later(plan))
    check_request(factors, plan.matrices, rank, rank, "left", plan.convention)
    return plan


def _later(plan: Plan) -> Least:
    """Every draw's shares, with their mean, and some draws' bases as they are rescaled."""
    one = max(plan.factors.out_features, plan.factors.in_features)
    shares = plan.draws * (4 * len(plan.factors.layers) + 8) * one
    rescaled = 4 * 5 * min(ENTRIES, plan.draws * len(plan.factors.layers) * one * plan.width)
    return Least(shares + rescaled, "shares of every draw, and some draws' bases rescaled")


def _candidates(
    explained: Explained,
    apart: Apart,
    magnified: Array,
    relative: Float[Tensor, "layer d"],
    held: Array,
    shares: Float[Tensor, "draw layer d"],
    trained: bool,
) -> tuple[Coordinate, ...]:
    """The named coordinates, strongest first, then the most magnified of the others."""
    nothing = float("nan")
    named, p = explained.order, apart.by_position
    others = [k for k in (-magnified).argsort(kind="stable").tolist() if k not in named]
    propagated = shares.mean(0, dtype=torch.float64).cpu().numpy()
    share_p = mean_share_p(held, shares) if trained else None
    return tuple(
        Coordinate(
            coordinate=k,
            named=k in named,
            p=p.get(k, nothing),
            magnification=float(magnified[k]),
            column_norm=relative[:, k].numpy(),
            share=held[:, k],
            propagated_share=propagated[:, k],
            share_p=nothing if share_p is None else float(share_p[k]),
            explains=explained.alone.get(k, nothing),
            explains_together=explained.together.get(k, nothing),
        )
        for k in [*named, *others][: max(_LISTED, len(named))]
    )
