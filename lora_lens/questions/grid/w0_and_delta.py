"""W0's leading singular vectors beside all of ΔW's, layer by layer, and whether the layers go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from ...adapter import ModuleFactors
from ...bases.weights import BaseWeights
from ...core.numbers.whole import whole
from ...core.similarity.layers_together import AS_INDEPENDENT, LayersTogether, scatter_of_mean
from ...errors import RankError
from ...subspaces.delta import Singular, trained_singular, weight_singular
from ...subspaces.device import Where
from ...subspaces.dimensions import LEADING, leading_of_dense
from ...subspaces.ties import equal_note
from .one_grid import KINDS, grid_of
from .result import RankGrid


def w0_and_delta(
    factors: ModuleFactors,
    layers: Sequence[int],
    kinds: Sequence[str],
    weights: BaseWeights,
    where: Where,
    top: int | None,
    *,
    in_full: bool,
) -> tuple[list[RankGrid], dict[tuple[str, str], float], list[str]]:
    """The grids; by matrix and side, how many times as far their mean scatters as that of independent layers would; and what is arbitrary.

    A ΔW that was trained `in_full` is cut as W0 is, for it has all directions.
    """
    grids: list[RankGrid] = []
    notes: list[str] = []
    leading: dict[str, list[Tensor]] = {kind: [] for kind in kinds}
    deltas: dict[str, list[Tensor]] = {kind: [] for kind in kinds}
    for layer in layers:
        position = factors.layers.index(layer)
        stored = weights.w0(factors, position)
        delta = trained_singular(factors, position, where, stored, sized=False)
        w0 = weight_singular(stored, where, name=f"W0 of {factors.module} in layer {layer}")
        i = check_top(top, len(w0.s), f"W0 of {factors.module}", layer)
        j = top_of_dense(top, len(delta.s), f"ΔW of {factors.module}", layer) if in_full else None
        notes += equal_note(
            stored, w0.s.cpu(), i, factors.module, "φ(i, j) where W0's first i part equal ones"
        )
        for kind in kinds:
            u, v = (_side(found, KINDS[kind][1]) for found in (w0, delta))
            leading[kind].append(u[:, :i].clone())  # not all of W0's
            deltas[kind].append(v[:, :j].clone())
            grids.append(grid_of(layer, kind, u[:, :i], v[:, :j], (len(w0.s), len(delta.s))))
    scatter = {KINDS[kind]: _scatter(leading[kind], deltas[kind]) for kind in kinds}
    return grids, scatter, list(dict.fromkeys(notes))


def together_notes(scatter: Mapping[tuple[str, str], float]) -> Iterator[str]:
    """Of which side no claim is made, and why."""
    for (_, side), times in scatter.items():
        if times > AS_INDEPENDENT:
            yield (
                f"W0's leading {side} directions lie alike in its layers, and ΔW's too, as where one matrix serves all: the mean φ of unrelated "
                f"ones would scatter {times:.1f} times as far as that of independent layers, which the null is of, so that nothing is "
                f"claimed of that side"
            )


def _scatter(w0: Sequence[Tensor], delta: Sequence[Tensor]) -> float:
    return float(scatter_of_mean(LayersTogether.of(w0), [LayersTogether.of(delta)])[0])


def check_top(top: int | None, rank: int, name: str, layer: int) -> int:
    """How many of a dense matrix's singular vectors are taken.

    Raises:
        RankError: It has not so many.
    """
    if top is None:
        return min(LEADING, rank)
    if not 1 <= (top := whole(top, "top")) <= rank:
        raise RankError(
            f"asked for {top} singular vectors of {name}, which has rank {rank} in layer {layer}; expected 1 to {rank}"
        )
    return top


def top_of_dense(top: int | None, rank: int, name: str, layer: int) -> int:
    """The same of a ΔW that has all directions."""
    return check_top(leading_of_dense(rank) if top is None else top, rank, name, layer)


def _side(found: Singular, side: str) -> Tensor:
    return found.u if side == "left" else found.vh.mT
