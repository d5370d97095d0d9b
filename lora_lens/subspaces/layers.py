"""Bases of one module's conversion matrices in all layers, a chunk of memory at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..bases.weights import BaseWeights
from ..core.factoring import Dearer, Factored, factor, factoring_dtype
from ..core.precision import singular_cutoff
from ..core.progress import Progress
from ..core.refined import RefinedSolver
from ..core.ridge import ridged
from ..core.scaled import of_order_one
from ..errors import RankError, SingularError
from .ahead import read_ahead
from .conversions import Plan, conversion_bases
from .memory import Least
from .selection import Where

# Called with the factored W0 of some layers, the position of the first, and where they are.
Watch = Callable[[Factored, int, torch.device], None]
_CHUNK_BYTES = 1 << 29
# Bytes an entry of W0 beyond the least, and why.
_DEARER: dict[Dearer, tuple[int, str]] = {
    "float64": (24, "is factored in float64"),  # it and its LU, beside both in float32
    "decomposed": (
        72,
        "is decomposed",
    ),  # its singular vectors, too, and what LAPACK takes for them
}


class RankDeficientWarning(UserWarning):
    """W0 is rank-deficient, and the Moore-Penrose solution stands in for its inverse."""


def collect_bases(
    plan: Plan, weights: BaseWeights, where: Where, watch: Watch, progress: Progress
) -> dict[str, Tensor]:
    """Bases of all layers by matrix.

    `watch` sees each chunk's factored W0 while it is at hand: the next chunk's is written over it. `progress` is
    called with (layers done, layers) after each chunk.

    Example:
        >>> import lora_lens as ll
        >>> from lora_lens.subspaces.selection import select_device
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> factors = adapter.modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "stored", draws=0)
        >>> watch = lambda factored, start, device: print(f"{len(factored.rank)} layers from {start}")
        >>> bases = collect_bases(plan, base, select_device("cpu", "float64"), watch, print)
        6 layers from 0
        6 6
        >>> direct = ll.conversion_matrices(base.w0(factors, 5), factors.a[5], factors.b[5]).b
        >>> round(float(ll.phi(bases["B"][5], direct, 8)), 6)
        1.0
    """
    factors = plan.factors
    bases: dict[str, list[Tensor]] = {}
    room = _Room()
    for start, stop, layers in read_ahead(_chunks(plan, weights, where.device)):
        factored = _factored(layers, where, room, _within(plan))
        room = _room(factored)
        _check_invertible(plan, factored, factors.layers[start:stop])
        if plan.ridge:
            factored = ridged(factored, plan.ridge)
        a, b = (where.take(of_order_one(t[start:stop])) for t in (factors.a, factors.b))
        for matrix, basis in conversion_bases(plan, factored, a, b).items():
            bases.setdefault(matrix, []).append(basis)
        watch(factored, start, where.device)
        del factored  # what is not written over, before the next is made
        for path in factors.names[start:stop]:
            weights.release(path)
        progress(stop, len(factors.layers))
    return {matrix: torch.cat(parts) for matrix, parts in bases.items()}


def _chunks(
    plan: Plan, weights: BaseWeights, device: torch.device
) -> Iterator[tuple[int, int, list[Tensor]]]:
    """First and last position, and W0 of the layers between as stored, of one dtype, a chunk of memory at a time."""
    factors, step = plan.factors, _layers_a_chunk(plan, device)
    start, layers = 0, list[Tensor]()
    for k in range(len(factors.layers)):
        if len(layers) == step:
            yield start, k, layers
            start, layers = k, []
        # Conversions keep their subspaces, and W0 its condition, whatever the scale.
        w0 = of_order_one(weights.w0(factors, k))
        if layers and w0.dtype != layers[0].dtype:
            yield start, k, layers
            start, layers = k, []
        layers.append(w0)
    yield start, len(factors.layers), layers


def _within(plan: Plan) -> Callable[[Dearer], None]:
    """Refuses what an ill-conditioned W0 takes more than is known before it is read, where that is too much."""

    def check(what: Dearer) -> None:
        entries = plan.factors.out_features * plan.factors.in_features
        more, how = _DEARER[what]
        of = f"{plan.factors.module}, a W0 of which is so ill-conditioned that it {how}"
        plan.memory.check(Least(plan.memory.least + more * entries, of))

    return check


class _Room(NamedTuple):
    """What was factored before, in the layers before, and is written over: pages that are new take longer than a copy."""

    w0: Tensor | None = None
    lu: Tensor | None = None


def _room(factored: Factored) -> _Room:
    solver = factored.solver
    return _Room(factored.w0, solver.packed if isinstance(solver, RefinedSolver) else None)


def _factored(
    layers: Sequence[Tensor],
    where: Where,
    room: _Room,
    dearer: Callable[[Dearer], None] = lambda _: None,
) -> Factored:
    rows, columns = layers[0].shape
    stored = layers[0].dtype
    cutoff = singular_cutoff(stored, where.dtype, (rows, columns))
    taken = where._replace(dtype=factoring_dtype((rows, columns), stored, where.dtype))
    found = room.w0
    same = found is not None and found.dtype == taken.dtype and len(found) >= len(layers)
    w0 = taken.stack(layers, found if same else None)
    factored = factor(w0, cutoff, where.dtype, dearer, room.lu if same else None)
    return replace(factored, stored=layers) if where.device.type == "cpu" else factored


def _layers_a_chunk(plan: Plan, device: torch.device) -> int:
    """As many layers as fit the memory of one chunk, so that a model of any depth passes through it.

    On a CPU one at a time where they are factored in float32: one that has to be taken in float64 takes no other with it,
    whose draws would be others then.
    """
    shape = plan.factors.out_features, plan.factors.in_features
    if (
        device.type == "cpu"
        and factoring_dtype(shape, torch.float32, torch.float64) != torch.float64
    ):
        return 1
    copies = 8 if plan.ridge else 4  # the ridge's SVD beside the rest
    one = 8 * copies * shape[0] * shape[1]
    return max(1, int(min(_CHUNK_BYTES, plan.memory.chunk) // one))


def _check_invertible(plan: Plan, factored: Factored, layers: Sequence[int]) -> None:
    full = min(plan.factors.out_features, plan.factors.in_features)
    deficient = {
        layer: rank
        for layer, rank in zip(layers, factored.rank.tolist(), strict=True)
        if rank < full
    }
    if not deficient:
        return
    listed = ", ".join(
        f"layer {layer} (rank {rank} of {full})" for layer, rank in deficient.items()
    )
    what = f"W0 of {plan.factors.module} is singular in {listed} under the cut-off {factored.cutoff:.1e}·σ_max"
    if plan.ridge and min(deficient.values()) <= (full - 1) // 2:
        raise SingularError(
            f"{what}: over half of its singular values are zero, and so is their median, which a ridge is "
            f"in units of; leave the ridge at 0"
        )
    if plan.convention == "stored" and not plan.ridge:
        raise SingularError(
            f"{what}; it has no inverse. Use the convention 'consistent', which takes the pseudo-inverse"
        )
    if plan.width > min(deficient.values()):
        raise RankError(f"{what}; its conversion matrices have no {plan.width} singular vectors")
    if not plan.ridge:
        warnings.warn(
            f"{what}; using the Moore-Penrose solution", RankDeficientWarning, stacklevel=4
        )
