"""What a resized adapter has kept, module by module."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..labelled import Row, Tidy


@dataclass(frozen=True)
class ResizedModule:
    """One module's ΔW = s·B·A before and after.

    Attributes:
        name: Its path.
        rank: As trained.
        kept_rank: As written.
        norm: ‖ΔW‖_F as trained.
        error: ‖ΔW − ΔW'‖_F of what was written, with the rounding of the file's dtype.
        features: in + out: parameters a rank.
    """

    name: str
    rank: int
    kept_rank: int
    norm: float
    error: float
    features: int

    @property
    def relative_error(self) -> float:
        """Of ‖ΔW‖_F; 0 of a ΔW that is zero."""
        return self.error / self.norm if self.norm else 0.0

    @property
    def kept(self) -> float:
        """Share of ‖ΔW‖_F² that is left: 1 less the square of the relative error."""
        return 1 - self.relative_error**2


@dataclass(frozen=True)
class Resized(Tidy):
    """An adapter of lower ranks, as written.

    Attributes:
        source: Of the adapter that it was made of.
        out: The folder.
        modules: One entry a module path.
        notes: How the adapter was read, where that has to be told.
    """

    source: str
    out: Path
    modules: tuple[ResizedModule, ...]
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers in A and B, before and after."""
        return (
            sum(one.rank * one.features for one in self.modules),
            sum(one.kept_rank * one.features for one in self.modules),
        )

    @property
    def relative_error(self) -> float:
        """Of all modules together: the root of their squared errors' sum over that of their squared norms."""
        norm = math.hypot(*(one.norm for one in self.modules))
        return math.hypot(*(one.error for one in self.modules)) / norm if norm else 0.0

    @property
    def worst(self) -> ResizedModule:
        """The module that keeps the smallest share of its own ΔW."""
        return min(self.modules, key=lambda one: one.kept)

    @property
    def sentence(self) -> str:
        """What has become of it."""
        before, after = self.parameters
        cut = [one for one in self.modules if one.kept_rank < one.rank]
        error = self.relative_error
        return (
            f"{len(cut)} of {len(self.modules)} modules from rank {_span([one.rank for one in cut])} to "
            f"{_span([one.kept_rank for one in cut])}, {before:,} numbers to {after:,}: all ΔW together keep "
            f"{_percent(1 - error**2)} of their energy ‖ΔW‖² (relative error {error:.2g}); the least is kept of {self.worst.name}, "
            f"{_percent(self.worst.kept)}"
        )

    def rows(self) -> list[Row]:
        """One row a module."""
        return [
            vars(one) | {"kept": one.kept, "relative_error": one.relative_error}
            for one in self.modules
        ]

    def to_dict(self) -> Row:
        """For JSON."""
        before, after = self.parameters
        return {
            "adapter": self.source,
            "out": str(self.out),
            "parameters": {"before": before, "after": after},
            "relative_error": self.relative_error,
            "modules": self.rows(),
            "notes": list(self.notes),
        }


def _span(ranks: list[int]) -> str:
    """One number, or the least and the largest."""
    low, high = min(ranks), max(ranks)
    return f"{low}" if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    """Down, so that what is not whole is not called so."""
    return f"{math.floor(1000 * share) / 10:.1f} %"
