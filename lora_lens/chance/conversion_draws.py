"""Bases of conversion matrices with another factor in the place of the trained one, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.computing.progress import Progress, passes, untold
from ..core.computing.spill import Spill
from ..core.solving.factoring import Factored
from ..core.solving.rounded import LayerSolver, gaussian_solver, own_solver, rounded_solver
from ..errors import LensError
from ..subspaces.conversions import (
    Matrix,
    Plan,
    basis,
    product_basis,
)
from .drawn_factors import DrawnFactors, drawn_factors
from .draws import FEWEST_LAYERS
from .equivalent import Equivalents
from .null_names import NULLS, THROUGH_W0, NullName
from .streams import null_generator

_ROWS_A_CORE = 512  # right-hand sides at once: of width 768 they and W0 stay in a core's caches
_ROWS = 2048  # with many cores, which wait for each other after each product: fewer, larger ones


def rows_at_once() -> int:
    """Right-hand sides of one solve.

    Example:
        >>> rows_at_once() in (512, 2048)  # of one thread, and of several
        True
    """
    return _ROWS if torch.get_num_threads() > 1 else _ROWS_A_CORE


def check_nulls(nulls: Sequence[str]) -> None:
    """Raise LensError unless each is the name of a null.

    Example:
        >>> check_nulls(["propagated", "gausian"])
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: no such null: gausian; expected some of gaussian, propagated, mismatched, initialisation, equivalent, flipped
    """
    if unknown := [null for null in nulls if null not in NULLS]:
        raise LensError(
            f"no such null: {', '.join(map(str, unknown))}; expected some of {', '.join(NULLS)}"
        )


@dataclass
class NullBases:
    """Bases of all layers under each null, filled layer by layer.

    Kept in float32, which is far below the nulls' sampling error: 80 layers of width 8192 with 200
    draws of rank 8 are 4.2 GB; beyond what the plan's memory keeps they are in temporary files. But
    ``mismatched`` has no sampling error where every donor is there, and permutations that leave two factors in place give the observed φ itself, so it keeps the dtype that
    W0 is factored in: another 3.4 GB. Matrices of one null share one tensor where their bases are the same.

    Attributes:
        bases: Null and matrix to (draw, layer, d, width); for ``mismatched`` a draw is a donor layer.
        equivalents: Of the null that has a mean and no draws.
    """

    plan: Plan
    nulls: Sequence[NullName]
    seed: int
    bases: dict[tuple[NullName, Matrix], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Settle which nulls are drawn, and how much of them is kept in memory."""
        # Chunks come several at a time, and the first of all makes room for the others.
        self._lock = Lock()
        self.spill = Spill(self.plan.memory.kept)
        self.equivalents = Equivalents(self.plan, "equivalent" in self.nulls, self.spill)
        self.nulls = [null for null in self.nulls if null in THROUGH_W0 and self._possible(null)]

    def add(
        self, factored: Factored, start: int, device: torch.device, progress: Progress = untold
    ) -> None:
        """The layers of one chunk, the first of which is at `start`; other chunks may be added at the same time.

        `progress` is called with how much of all layers' draws is made, of how much, were all before made.
        """
        self.equivalents.add(factored, start)
        full = min(self.plan.factors.out_features, self.plan.factors.in_features)
        if bool((factored.rank < full).any()):
            self._drop("mismatched")  # W0⁺ may leave nothing of a factor that was not trained on it
        nulls = self.nulls
        if not nulls:
            return
        draws = [self._count(null) for null in nulls]
        by_layer = self._by_layer(start, len(factored.rank), sum(draws), progress)
        for position, of_layer in enumerate(by_layer):
            parts = passes(of_layer, *draws)
            for null, part in zip(nulls, parts, strict=True):
                solver = _SOLVERS[null](factored, position)
                generator = null_generator(self.seed, null, start + position)
                drawn = drawn_factors(
                    null, self.plan, start + position, generator, device, factored.w0[position],
                    factored.cutoff,
                )  # fmt: skip
                self._fill(null, start + position, solver, drawn, part)

    def _drop(self, dropped: NullName) -> None:
        with self._lock:
            self.nulls = [null for null in self.nulls if null != dropped]
            self.bases = {key: kept for key, kept in self.bases.items() if key[0] != dropped}

    def _by_layer(
        self, start: int, count: int, draws: int, progress: Progress
    ) -> Sequence[Progress]:
        """The progress of each layer of a chunk, of so many draws."""
        layers = len(self.plan.factors.layers)
        every = passes(progress, start * draws, *(draws,) * count, (layers - start - count) * draws)
        return every[1:-1]

    def _fill(
        self,
        null: NullName,
        layer: int,
        solver: LayerSolver,
        drawn: DrawnFactors,
        progress: Progress,
    ) -> None:
        for some in self._draws(null):
            self._keep(null, layer, some, _bases(self.plan, solver, drawn.part(some)))
            progress(some.stop, self._count(null))
        self.spill.release()

    def _draws(self, null: NullName) -> Iterator[slice]:
        """All draws, some right-hand sides at a time."""
        step = max(1, rows_at_once() // max(self.plan.factors.ranks))
        total = self._count(null)
        return (slice(k, min(k + step, total)) for k in range(0, total, step))

    def _count(self, null: NullName) -> int:
        return len(self.plan.factors.layers) if null == "mismatched" else self.plan.draws

    def _possible(self, null: NullName) -> bool:
        if not self.plan.draws:
            return False
        if null == "mismatched":
            return len(self.plan.factors.layers) >= FEWEST_LAYERS
        if null == "flipped":
            return self.plan.side == "left"  # XᵀX is the same for all flips
        return null != "initialisation" or "A" in self.plan.matrices

    def _keep(
        self, null: NullName, layer: int, some: slice, found: Mapping[Matrix, Tensor]
    ) -> None:
        placed: dict[int, Tensor] = {}
        for matrix, one in found.items():
            kept = self._place(null, matrix, one, placed.get(id(one)))
            if kept is not None and id(one) not in placed:
                kept[some, layer] = one
                placed[id(one)] = kept

    def _place(
        self, null: NullName, matrix: Matrix, one: Tensor, shared: Tensor | None
    ) -> Tensor | None:
        """Where all layers' bases are, with whose they may be `shared`; None where they are not wanted any more."""
        with self._lock:
            if null not in self.nulls:
                return None
            if shared is not None:
                self.bases[null, matrix] = shared
            elif (null, matrix) not in self.bases:
                d, width = one.shape[1:]
                # Layer by layer in a file: what is written of one is not among pages of the others.
                shape = (len(self.plan.factors.layers), self._count(null), width, d)
                dtype = one.dtype if null == "mismatched" else torch.float32
                self.bases[null, matrix] = self.spill.empty(shape, one, dtype).mT.transpose(0, 1)
            return self.bases[null, matrix]


_SOLVERS = {
    "propagated": gaussian_solver,
    "mismatched": own_solver,
    "initialisation": rounded_solver,
    "flipped": own_solver,  # a factor along W0's own directions is turned onto itself but for rounding
}


def _bases(plan: Plan, solver: LayerSolver, factors: DrawnFactors) -> dict[Matrix, Tensor]:
    """(draw, d, width) bases; one tensor for matrices that share it."""
    consistent = plan.convention == "consistent"
    found: dict[Matrix, Tensor] = {}
    b = None
    if factors.b is not None and (set(plan.matrices) != {"A"} or factors.a is factors.b):
        b = _solved(solver, factors.b)
    if b is not None and "B" in plan.matrices:
        found["B"] = basis(plan, factors.shaped("B", b))
    if "A" in plan.matrices and factors.a is not None:
        if factors.a is not factors.b or b is None:
            a = _solved(solver, factors.a, transposed=consistent)
            found["A"] = basis(plan, factors.shaped("A", a))
        elif "B" in found and "A" not in factors.spectra:
            found["A"] = found["B"]
        else:
            found["A"] = basis(plan, factors.shaped("A", b))
    if "BA" in plan.matrices and b is not None:
        if plan.spans_alone:
            found["BA"] = found["B"] if "B" in found else basis(plan, b)
        elif factors.outer_a is not None:
            shaped = factors.shaped("BA", b)
            found["BA"] = product_basis(plan, shaped, factors.outer(factors.outer_a).to(shaped))
    return found


def _solved(
    solver: LayerSolver, rows: Float[Tensor, "draw r n"], *, transposed: bool = False
) -> Float[Tensor, "draw m r"]:
    """All draws' right-hand sides in one solve."""
    draws, rank, _ = rows.shape
    solve = solver.solver.solve_transposed if transposed else solver.solver.solve
    rhs = rows.to(solver.dtype).flatten(0, 1).mT[None]
    return solve(rhs)[0].mT.unflatten(0, (draws, rank)).mT
