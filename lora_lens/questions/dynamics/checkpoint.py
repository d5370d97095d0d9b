"""One checkpoint's factors of one module, decomposed: subspaces, norms and ranks by layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ...adapter import LayerFactors, ModuleFactors
from ...core.numbers.either import as_torch, in_float64
from ...core.numbers.scaled import norm_of_values
from ...core.similarity.phi_of_bases import phi_of_bases
from ...core.spectra.spectrum import effective_rank, stable_rank
from ...errors import RankError
from ...labelled import Array
from ...subspaces.delta import delta_singular
from ...subspaces.device import Where
from ...subspaces.dimensions import check_factor_ranks, zero_error
from ...subspaces.factors import SPACES, factor_spaces
from ...subspaces.ties import tied_delta
from .followed import Followed


class CheckpointSubspaces(NamedTuple):
    """One checkpoint's factors, decomposed; of what was trained in full, ΔW alone.

    `directions` says how many there are in each layer of a space, `exists` in which those are `rank`, `tied` in which it is open
    which those are.
    """

    name: str
    bases: Mapping[str, Tensor]
    directions: Mapping[str, NDArray[np.int64]]
    exists: Mapping[str, NDArray[np.bool_]]
    tied: Mapping[str, NDArray[np.bool_]]
    norms: Mapping[str, Array]
    ranks: Mapping[str, Array]

    def of_layers(self, kept: Collection[int]) -> CheckpointSubspaces:
        """In some layers, by their places."""
        some = list(kept)
        return CheckpointSubspaces(
            self.name,
            *(
                _each(found, some)
                for found in (
                    self.bases,
                    self.directions,
                    self.exists,
                    self.tied,
                    self.norms,
                    self.ranks,
                )
            ),
        )


def _each(found: Mapping[str, Any], layers: list[int]) -> dict[str, Any]:
    return {name: of_all[layers] for name, of_all in found.items()}


def checkpoint_subspaces(
    name: str, module: Followed, rank: int, where: Where
) -> CheckpointSubspaces:
    """Decompose what there is of the module."""
    if module.factors is None:
        return _of_dense(name, module.dense, rank, where)
    return _of_factors(name, module.factors, rank, where)


def _of_factors(name: str, factors: ModuleFactors, rank: int, where: Where) -> CheckpointSubspaces:
    """The norm of ΔW holds its scaling, A's and B's are as stored."""
    spaces = factor_spaces(
        factors.a,
        factors.b,
        rank,
        where=where,
        scaling=factors.scaling,
    )
    s = spaces.s * factors.scaling.abs().numpy()[:, None]
    a, b = in_float64(factors.a), in_float64(factors.b)
    return CheckpointSubspaces(
        name,
        spaces.bases,
        spaces.ranks,
        {space: found >= rank for space, found in spaces.ranks.items()},
        spaces.tied,
        {
            "delta": norm_of_values(s),
            "A": torch.linalg.matrix_norm(a).numpy(),
            "B": torch.linalg.matrix_norm(b).numpy(),
        },
        {"stable": stable_rank(s), "effective": effective_rank(s)},
    )


class _Layer(NamedTuple):
    """Of a dense ΔW: its leading singular vectors, of which those that do not exist are zero, and all values above rounding."""

    left: Tensor
    right: Tensor
    s: Array
    tied: bool


def _of_dense(
    name: str, layers: Sequence[LayerFactors], rank: int, where: Where
) -> CheckpointSubspaces:
    """One layer's ΔW is at hand at a time."""
    found = [_of_layer(one, rank, where) for one in layers]
    width = max(len(one.s) for one in found) or 1
    s = np.stack([np.pad(one.s, (0, width - len(one.s))) for one in found])
    directions = np.array([len(one.s) for one in found])
    ties = np.array([one.tied for one in found])
    spaces = [space for space, named in SPACES.items() if named.matrix == "delta"]
    return CheckpointSubspaces(
        name,
        {
            space: torch.stack([getattr(one, SPACES[space].side) for one in found])
            for space in spaces
        },
        dict.fromkeys(spaces, directions),
        dict.fromkeys(spaces, directions >= rank),
        dict.fromkeys(spaces, ties),
        {"delta": norm_of_values(s)},
        {"stable": stable_rank(s), "effective": effective_rank(s)},
    )


def _of_layer(one: LayerFactors, rank: int, where: Where) -> _Layer:
    a, b = (as_torch(x, "cpu")[None] for x in one.read())
    scaling = torch.tensor([one.scaling], dtype=torch.float64)
    alone = ModuleFactors(one.module, one.name, (0,), (one.name,), a, b, scaling, (one.rank,))
    u, s, vh = delta_singular(alone, 0, where)
    left, right = (_padded(x[:, :rank], rank) for x in (u, vh.mT))
    is_tied = tied_delta(alone, 0, s, rank)
    one.release()
    return _Layer(left, right, s.double().cpu().numpy(), is_tied)


def _padded(basis: Float[Tensor, "d k"], rank: int) -> Float[Tensor, "d rank"]:
    """A copy, so that the vectors that are not kept are not held."""
    padded = basis.new_zeros(len(basis), rank)
    padded[:, : basis.shape[1]] = basis
    return padded


def end_point_subspaces(
    name: str, folder: Path, module: Followed, rank: int, where: Where
) -> CheckpointSubspaces:
    """`checkpoint_subspaces` the adapter that all others are compared with, whose subspaces must all exist.

    But for layers of what was trained in full in which ΔW is zero: they were not changed.

    Raises:
        RankError: A, B or ΔW has fewer than `rank` singular vectors in some layer, or ΔW is zero in all.
    """
    if module.factors is not None:
        try:
            check_factor_ranks(module.factors, ("A", "B"), rank)
        except RankError as error:
            raise RankError(f"end point {folder}: {error}") from None
    elif rank < 1:
        raise RankError(f"asked for {rank} singular vectors; expected at least 1")
    found = checkpoint_subspaces(name, module, rank, where)
    unchanged = module.in_full & (found.norms["delta"] == 0)
    if unchanged.all():
        said = f"end point {folder}: ΔW of {module.module} is zero in every layer"
        raise zero_error(said, "it was not changed")
    if not (found.exists["delta_left"] | unchanged).all():
        directions = np.where(unchanged, rank, found.directions["delta_left"])
        fewest = int(directions.min())
        why = "" if module.in_full else ", though its factors have rank enough"
        raise RankError(
            f"end point {folder}: {rank} singular vectors are asked for, and ΔW of {module.module} has {fewest} singular values that "
            f"are more than rounding in layer {module.layers[directions.argmin()]}{why}; "
            f"{f'ask for a --rank of at most {fewest}' if fewest else 'its factors cancel'}"
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
