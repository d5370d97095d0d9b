"""Bases of one module's conversion matrices in all layers, a chunk of memory at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from threading import Lock, local
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..bases.weights import BaseWeights
from ..core.computing.cores import on_cores, while_waited_for
from ..core.computing.progress import Progress
from ..core.conversions.conversion import RankDeficientWarning
from ..core.numbers.precision import singular_cutoff
from ..core.numbers.scaled import of_order_one
from ..core.solving.factoring import Dearer, Factored, factor, factoring_dtype
from ..core.solving.refined import RefinedSolver
from ..core.solving.ridge import ridged
from .chunks import Chunk, at_a_time, chunks_of, to_share_out
from .conversions import Plan, conversion_bases
from .device import Where
from .memory import Least
from .read_ahead import read_ahead
from .singular import Singular, moore_penrose, singular_layers

S = TypeVar("S")
# Called with the factored W0 of some layers, the position of the first, where they are, and whom to tell how far it is.
Watch = Callable[[Factored, int, torch.device, Progress], S]
_PARTS = 1000  # of all, in which it is told how far it is
# Bytes an entry of W0 beyond the least, and why.
_DEARER: dict[Dearer, tuple[int, str]] = {
    "float64": (24, "is factored in float64"),  # it and its LU, beside both in float32
    "decomposed": (
        72,
        "is decomposed",
    ),  # its singular vectors, too, and what LAPACK takes for them
}


class Collected(NamedTuple, Generic[S]):
    """Bases of all layers by matrix, what `watch` found of each chunk of layers, in order, and what a reader should know."""

    bases: dict[str, Tensor]
    seen: list[S]
    notes: tuple[str, ...]


def collect_bases(
    plan: Plan, weights: BaseWeights, where: Where, watch: Watch[S], progress: Progress
) -> Collected[S]:
    """Bases of all layers, with what `watch` found meanwhile; of layers whose W0 is singular it warns, and their note says the same.

    `watch` sees each chunk's factored W0 while it is at hand: the next chunk's is written over it. On a CPU with several
    threads some chunks of small W0 are worked on at a time, so that it is called from other threads, and in no order.
    `progress` is called with (done, all), in thousandths, after each chunk, and as `watch` tells it.

    Example:
        >>> import lora_lens as ll
        >>> from lora_lens.subspaces.device import select_device
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> factors = adapter.modules["value"]
        >>> plan = Plan(factors, ["B"], 8, 8, "left", "stored", draws=0)
        >>> watch = lambda factored, start, device, progress: f"{len(factored.rank)} layers from {start}"
        >>> bases, seen, notes = collect_bases(plan, base, select_device("cpu", "float64"), watch, print)
        500 1000
        1000 1000
        >>> seen
        ['3 layers from 0', '3 layers from 3']
        >>> direct = ll.conversion_matrices(base.w0(factors, 5), factors.a[5], factors.b[5]).b
        >>> round(float(ll.phi(bases["B"][5], direct, 8)), 6)
        1.0
    """
    factors, rooms = plan.factors, local()
    count = to_share_out(plan, where.device)
    several = min(count, torch.get_num_threads()) > 1

    def work(chunk: Chunk) -> list[_Done[S]]:
        start, stop, layers = chunk
        factored = _factored(layers, where, getattr(rooms, "last", _Room()), _within(plan))
        rooms.last = _room(factored)
        # One without full rank takes others with it, which would be drawn for by another solver then.
        full = factored.rank == min(factored.w0.shape[-2:])
        if bool(full.any()) and not bool(full.all()):
            return [done for one in chunk.each() for done in work(one)]
        singular.extend(singular_layers(plan, factored, factors.layers[start:stop]))
        if plan.ridge:
            factored = ridged(factored, plan.ridge)
        a, b = (where.take(of_order_one(t[start:stop])) for t in (factors.a, factors.b))
        bases = conversion_bases(plan, factored, a, b)
        seen = watch(factored, start, where.device, together.of(start) if several else progress)
        return [_Done(start, stop, bases, seen)]

    together = _Together(progress, len(factors.layers))
    singular: list[Singular] = []
    bases: dict[str, list[Tensor]] = {}
    seen: list[S] = []
    chunks, most = chunks_of(plan, weights, where.device), at_a_time(plan, where.device)
    try:
        worked = on_cores(work, read_ahead(chunks), count, most)
        for done in chain.from_iterable(worked):
            for matrix, basis in done.bases.items():
                bases.setdefault(matrix, []).append(basis)
            seen.append(done.seen)
            for path in factors.names[done.start : done.stop]:
                weights.release(path)
            together.done(done.start, done.stop)
    finally:
        if doubt := moore_penrose(plan, singular):
            warnings.warn(doubt, RankDeficientWarning, stacklevel=4)
    joined = {matrix: torch.cat(parts) for matrix, parts in bases.items()}
    return Collected(joined, seen, (doubt,) if doubt else ())


class _Together:
    """How far chunks are that are worked on at a time, told as one progress."""

    def __init__(self, progress: Progress, layers: int) -> None:
        self._progress, self._layers = progress, layers
        self._shares: dict[int, float] = {}
        self._lock = Lock()

    def of(self, start: int) -> Progress:
        """That of the chunk whose first layer is at `start`, which is told as if all before it were done."""

        def tell(done: int, total: int) -> None:
            while_waited_for(done, total)
            self._tell(start, done / total - start / self._layers)

        return tell

    def done(self, start: int, stop: int) -> None:
        """A whole chunk."""
        self._tell(start, (stop - start) / self._layers)

    def _tell(self, start: int, share: float) -> None:
        with self._lock:
            self._shares[start] = max(share, self._shares.get(start, 0.0))
            self._progress(round(_PARTS * sum(self._shares.values())), _PARTS)


class _Done(NamedTuple, Generic[S]):
    """What was found of a chunk."""

    start: int
    stop: int
    bases: dict[str, Tensor]
    seen: S


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
    dearer: Callable[[Dearer], None],
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
