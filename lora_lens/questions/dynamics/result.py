"""An adapter over its training: φ to the end and to the first checkpoint, norms and ranks, checkpoint by checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...chance.baseline import Baseline
from ...labelled import Array, Row, plain
from ...subspaces.factors import SPACES
from ..answer import Answer


@dataclass(frozen=True, repr=False, eq=False)
class DynamicsResult(Answer):
    """How one module's adapter came to be what it is.

    Grids are (checkpoint, layer); NaN says that the number does not exist there (a zero B has no
    singular subspace), and is null or empty in files. Spaces are ``A`` (right singular vectors),
    ``B`` (left), ``delta_left`` and ``delta_right`` (ΔW = s·B·A); of what was trained in full the last two.

    Attributes:
        run, method, module: What was followed.
        rank: i = j, the leading singular vectors compared.
        layers: Layer numbers.
        names: One a checkpoint, in the order of steps; a run's own adapter is ``end``.
        steps: Optimiser steps; None for ``end``, which may be any of them (often the best).
        starts: Space to the checkpoint that φ ``to_start`` is taken to, the first where it exists, which is the start if it `began` there.
        end: The checkpoint that φ to the end point is taken to.
        to_end, to_start: Space to grid of φ.
        norms: ``delta``, ``A``, ``B``, as far as there are any, to grid of Frobenius norms, ‖ΔW‖ with its scaling.
        ranks: ``stable`` (‖ΔW‖_F²/σ₁²) and ``effective`` (exp of the entropy of s/Σs) to grid.
        baselines: Space to φ of unrelated subspaces; `mean_sd` is that of the mean over layers.
        notes: What a reader should know beside the numbers, a sentence each.
        base: Of the last checkpoint, as its adapter names it.
        base_commit: Of the W0 that A and B were made of, where they were.
        twins: Checkpoints that hold the end point's own factors.
    """

    run: str
    method: str
    module: str
    rank: int
    layers: tuple[int, ...]
    names: tuple[str, ...]
    steps: tuple[int | None, ...]
    starts: Mapping[str, str]
    end: str
    to_end: Mapping[str, Array]
    to_start: Mapping[str, Array]
    norms: Mapping[str, Array]
    ranks: Mapping[str, Array]
    baselines: Mapping[str, Baseline]
    notes: tuple[str, ...] = ()
    base: str | None = None
    base_commit: str | None = None
    twins: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"dynamics-{self.module}"

    @property
    def start(self) -> str:
        """The first checkpoint, to which φ is taken where it exists there."""
        return self.names[0]

    def began(self, name: str) -> bool:
        """Whether a checkpoint is the run's start: at step 0, or nothing learnt yet."""
        t = self.names.index(name)
        return self.steps[t] == 0 or not self.norms["delta"][t].any()

    def label(self, t: int) -> str:
        """A checkpoint's step, or its name where that is not known."""
        step = self.steps[t]
        return self.names[t] if step is None else str(step)

    def grids(self) -> dict[str, Array]:
        """Every (checkpoint, layer) grid by its column's name in `to_frame`."""
        return {
            **{f"phi_{space}_to_end": grid for space, grid in self.to_end.items()},
            **{f"phi_{space}_to_start": grid for space, grid in self.to_start.items()},
            **{f"norm_{matrix}": grid for matrix, grid in self.norms.items()},
            **{f"{kind}_rank": grid for kind, grid in self.ranks.items()},
        }

    def rows(self) -> list[Row]:
        """One row a checkpoint and layer; None where a number does not exist."""
        grids = self.grids()
        return [
            {
                "checkpoint": name,
                "step": step,
                "module": self.module,
                "layer": layer,
                "i": self.rank,
            }
            | {column: plain(grid[t, k]) for column, grid in grids.items()}
            for t, (name, step) in enumerate(zip(self.names, self.steps, strict=True))
            for k, layer in enumerate(self.layers)
        ]

    def numbers(self) -> Row:
        """For JSON: grids as lists, checkpoint by checkpoint, with their means over the layers."""

        def both(grid: Array) -> Row:
            return {"values": plain(grid), "mean": plain(over_layers(grid))}

        def similarities(grids: Mapping[str, Array]) -> Row:
            return {
                space: SPACES[space]._asdict()
                | {"phi": plain(grid), "mean": plain(over_layers(grid))}
                | {"baseline": self.baselines[space].to_dict()}
                for space, grid in grids.items()
            }

        return {
            "run": self.run,
            "method": self.method,
            "module": self.module,
            "i": self.rank,
            "j": self.rank,
            "layers": list(self.layers),
            "checkpoints": [
                {"name": name, "step": step}
                for name, step in zip(self.names, self.steps, strict=True)
            ],
            "start": self.start,
            "end": self.end,
            "to_end": similarities(self.to_end),
            "to_start": {
                space: {"start": self.starts[space]} | found
                for space, found in similarities(self.to_start).items()
            },
            "norms": {matrix: both(grid) for matrix, grid in self.norms.items()},
            "ranks": {kind: both(grid) for kind, grid in self.ranks.items()},
        }


def over_layers(grid: Array) -> Array:
    """Mean over the layers, checkpoint by checkpoint; NaN unless every layer has the number.

    A mean over the layers that happen to have it would be of other layers from checkpoint to checkpoint.
    """
    return np.asarray(grid.mean(axis=1))
