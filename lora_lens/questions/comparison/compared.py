"""The subspaces that are compared: leading singular vectors of one adapter's A, B and ΔW, layer by layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...adapter import ModuleFactors
from ...bases.weights import BaseWeights
from ...core.numbers.sides import Side
from ...errors import RankError
from ...labelled import Array
from ...subspaces.delta import check_scaling, trained_singular
from ...subspaces.device import Where
from ...subspaces.dimensions import check_above_rounding
from ...subspaces.factors import factor_spaces
from ...subspaces.ties import tied_delta

SIDES: dict[str, Side] = {"A": "right", "B": "left", "delta": "left"}


class Compared(NamedTuple):
    """Compared singular vectors by matrix, (layer, d, k), and in which layers it is open which they are."""

    bases: dict[str, Tensor]
    ties: dict[str, Array]


def compared(factors: ModuleFactors, k: int, where: Where, weights: BaseWeights | None) -> Compared:
    """Of A and B, and of the ΔW that they make.

    Raises:
        RankError: ΔW has fewer than `k` that are more than rounding.
    """
    check_scaling(factors)
    dense = factors.magnitude is not None
    wanted = ("A", "B") if dense else ("A", "B", "delta_left")
    spaces = factor_spaces(factors.a, factors.b, k, wanted, where=where)
    bases = {name: spaces.bases[name] for name in ("A", "B")}
    ties = {name: spaces.tied[name] for name in ("A", "B")}
    if dense:
        bases["delta"], ties["ΔW"] = _of_dense(factors, k, where, weights)
        return Compared(bases, ties)
    check_above_rounding(int(spaces.ranks["delta_left"].min()), k, f"BA of {factors.module}")
    ties["ΔW"] = spaces.tied["delta_left"]
    return Compared(bases | {"delta": spaces.bases["delta_left"]}, ties)


def compared_delta(factors: ModuleFactors, k: int, where: Where) -> Compared:
    """Of what was trained in full, ΔW alone."""
    basis, ties = _of_dense(factors, k, where, None)
    return Compared({"delta": basis}, {"ΔW": ties})


def _of_dense(
    factors: ModuleFactors, k: int, where: Where, weights: BaseWeights | None
) -> tuple[Tensor, Array]:
    """Left singular vectors of a dense ΔW, layer by layer, and where they are tied; DoRA's is made with W0."""
    found, ties = [], []
    directions: dict[int, int] = {}
    for position, layer in enumerate(factors.layers):
        w0 = weights.w0(factors, position) if weights else None
        delta = trained_singular(factors, position, where, w0, sized=False)
        directions.setdefault(len(delta.s), layer)
        found.append(delta.u[:, :k])
        ties.append(tied_delta(factors, position, delta.s, k))
    if (fewest := min(directions)) < k:
        raise RankError(
            f"asked for {k} singular vectors of ΔW of {factors.module}, which has {fewest} that are more than rounding in layer "
            f"{directions[fewest]}; ask for at most {fewest}"
        )
    return torch.stack(found), np.array(ties)
