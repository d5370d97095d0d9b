"""How much of each layer's conversion subspace one θ holds, fitted and left out, beside its nulls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from ...chance.against_null import null_test
from ...chance.conversion_draws import NullBases
from ...chance.gaussian import uniform_bases
from ...chance.gaussian_moments import gaussian_baseline
from ...chance.streams import null_generator
from ...core.computing.progress import Progress, passes
from ...core.shared.shared_subspace import SharedShares, shared_basis, shared_shares
from ...labelled import Array
from ...subspaces.conversions import Plan
from .predicted import DESCRIBING
from .result import SharedNull, SharedSubspace


class NullShares(NamedTuple):
    """Shares of every draw, by null."""

    gaussian: SharedShares | None
    propagated: SharedShares | None


def null_shares(
    plan: Plan,
    bases: Mapping[str, Tensor],
    nulls: NullBases,
    k: int,
    progress: Progress,
) -> dict[str, NullShares]:
    """Shares of the nulls' draws, by matrix; computed once for matrices that have the same null.

    `progress` is called with how many draws are done, of how many.
    """
    found: dict[str, NullShares] = {}
    parts = passes(progress, *(1,) * len(plan.matrices))
    for matrix, part in zip(plan.matrices, parts, strict=True):
        # Under 'stored' A and B have one null at full rank: W0 X = G either way.
        if plan.convention == "stored" and not plan.ordered and found:
            found[matrix] = next(iter(found.values()))
        elif not plan.draws:
            found[matrix] = NullShares(None, None)
        else:
            layers, d, r = bases[matrix].shape
            generator = null_generator(nulls.seed, "gaussian")
            few = min(plan.draws, DESCRIBING)
            unrelated = uniform_bases(d, layers, r, draws=few, generator=generator)
            gaussian, propagated = passes(part, few, plan.draws)
            found[matrix] = NullShares(
                shared_shares(unrelated, k, exact=False, progress=gaussian),
                shared_shares(
                    nulls.bases["propagated", matrix],
                    k,
                    exact=False,
                    after_each=nulls.spill.release,
                    progress=propagated,
                ),
            )
    return found


def captured(plan: Plan, matrix: str, bases: Tensor, k: int, drawn: NullShares) -> SharedSubspace:
    """What one θ holds of one factor's conversion subspaces, beside its nulls."""
    layers, d, r = bases.shape
    own = shared_shares(bases, k)
    nulls = {"gaussian": _null(own, drawn.gaussian, k, r, d if layers > 1 else None)}
    if drawn.propagated is not None:
        nulls["propagated"] = _null(own, drawn.propagated, k, r)
    return SharedSubspace(
        matrix=matrix,
        rank=r,
        width=k,
        dimension=d,
        layers=plan.factors.layers,
        eigenvalues=own.eigenvalues.numpy(),
        captured=own.captured.numpy(),
        left_out=own.left_out.numpy(),
        theta=shared_basis(bases, k),
        nulls=nulls,
    )


def _null(
    own: SharedShares, drawn: SharedShares | None, k: int, r: int, uniform: int | None = None
) -> SharedNull:
    """Every number against one null; `uniform` is d where subspaces are uniform in R^d under it."""
    values = _numbers(own, k, r)
    null = dict.fromkeys(values) if drawn is None else _numbers(drawn, k, r)
    closed: dict[str, dict[str, float]] = {}
    if uniform is not None:
        # The others' θ is independent of the layer's own subspace; φ divides by min(k, r), a share by r.
        mean, sd = (min(k, r) / r * moment for moment in gaussian_baseline(uniform, k, r))
        closed = {"left_out": {"mean": mean, "sd": sd}, "mean_left_out": {"mean": mean}}
    tests = {
        name: null_test(value, null[name], **closed.get(name, {})) for name, value in values.items()
    }
    return SharedNull(draws=0 if drawn is None else len(drawn.captured), **tests)


def _numbers(shares: SharedShares, k: int, r: int) -> dict[str, Array]:
    """What is tested: numbers of one adapter, or of many draws along the first axis."""
    curve = (shares.eigenvalues.cumsum(-1) / r).clamp(max=1)
    found = {
        "share": curve[..., k - 1],
        "mean_left_out": shares.left_out.mean(-1),
        "captured": shares.captured,
        "left_out": shares.left_out,
        "curve": curve,
        "eigenvalues": shares.eigenvalues,
    }
    return {name: value.numpy() for name, value in found.items()}
