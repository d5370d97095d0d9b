"""One checkpoint's factors of one module, decomposed: subspaces, norms and ranks by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...adapter import ModuleFactors
from ...core.numbers.precision import working
from ...core.similarity.phi_of_bases import phi_of_bases
from ...core.spectra.spectrum import effective_rank, stable_rank
from ...errors import RankError
from ...labelled import Array
from ...subspaces.device import Where
from ...subspaces.dimensions import check_factor_ranks
from ...subspaces.factors import factor_spaces


class CheckpointSubspaces(NamedTuple):
    """One checkpoint's factors, decomposed.

    `exists` says in which layers a space has `rank` dimensions, `tied` in which it is open which those are.
    """

    name: str
    bases: Mapping[str, Tensor]
    exists: Mapping[str, NDArray[np.bool_]]
    tied: Mapping[str, NDArray[np.bool_]]
    norms: Mapping[str, Array]
    ranks: Mapping[str, Array]


def checkpoint_subspaces(
    name: str, factors: ModuleFactors, rank: int, where: Where
) -> CheckpointSubspaces:
    """Decompose the factors; the norm of ΔW holds its scaling, A's and B's are as stored."""
    spaces = factor_spaces(
        factors.a,
        factors.b,
        rank,
        where=where,
        scaling=factors.scaling,
    )
    s = spaces.s * factors.scaling.abs().numpy()[:, None]
    a, b = working(factors.a), working(factors.b)
    return CheckpointSubspaces(
        name,
        spaces.bases,
        {space: found >= rank for space, found in spaces.ranks.items()},
        spaces.tied,
        {
            "delta": np.sqrt((s * s).sum(-1)),
            "A": torch.linalg.matrix_norm(a).numpy(),
            "B": torch.linalg.matrix_norm(b).numpy(),
        },
        {"stable": stable_rank(s), "effective": effective_rank(s)},
    )


def end_point_subspaces(
    name: str, folder: Path, factors: ModuleFactors, rank: int, where: Where
) -> CheckpointSubspaces:
    """`checkpoint_subspaces` the adapter that all others are compared with, whose subspaces must all exist.

    Raises:
        RankError: A, B or ΔW has fewer than `rank` singular vectors in some layer.
    """
    try:
        check_factor_ranks(factors, ("A", "B"), rank)
    except RankError as error:
        raise RankError(f"end point {folder}: {error}") from None
    found = checkpoint_subspaces(name, factors, rank, where)
    if not found.exists["delta_left"].all():
        raise RankError(
            f"end point {folder}: ΔW of {factors.module} has fewer than {rank} singular values that "
            f"are more than rounding, though its factors have rank enough; ask for a smaller --rank"
        )
    return found


def phi_between(
    one: CheckpointSubspaces, others: Mapping[str, CheckpointSubspaces]
) -> dict[str, Array]:
    """φ space by space and layer by layer to that space's in another checkpoint; NaN where either does not exist."""
    found = {}
    for space, exists in one.exists.items():
        if (other := others.get(space)) is None:
            found[space] = np.full(len(exists), np.nan)
            continue
        values = phi_of_bases(one.bases[space], other.bases[space]).double().cpu().numpy()
        found[space] = np.where(exists & other.exists[space], values, np.nan)
    return found
