"""By how much ΔW changes the lengths and the directions of W0's rows, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...chance.correlations import correlation, correlation_p
from ...labelled import Array, Brief, Row, plain
from ..answer import Answer

FEWEST = 3  # layers of a correlation
_ENDS = (0.025, 0.975)  # of a null's draws, where 95 of 100 are between


@dataclass(frozen=True, repr=False, eq=False)
class Change(Brief):
    """One number of one layer, beside the same of random ΔW.

    Attributes:
        value: The number.
        drawn: (draw,) the same of random ΔW with the same singular values.
    """

    value: float
    drawn: Array

    @property
    def mean(self) -> float:
        """Of the draws; NaN without."""
        return float(self.drawn.mean()) if len(self.drawn) else float("nan")

    @property
    def sd(self) -> float:
        """Of the draws; NaN without."""
        return float(self.drawn.std(ddof=1)) if len(self.drawn) else float("nan")

    @property
    def z(self) -> float:
        """Deviations of the number from the draws' mean; NaN where they do not vary."""
        return (self.value - self.mean) / self.sd if self.sd > 0 else float("nan")


@dataclass(frozen=True, repr=False, eq=False)
class LayerChange(Brief):
    """One layer.

    Attributes:
        module: Its module.
        layer: As in the checkpoint's names.
        rank: How many singular values ΔW has; 0 where it is zero.
        rows: How many rows of W0 are measured.
        zero_rows: How many are zero, which have no direction and are left out.
        magnitude: The magnitude change ΔM, mean over the rows of the distance of ‖w0 + δ‖ from ‖w0‖, in W0's units.
        direction: The directional change ΔD, mean over the rows of 1 − cos(w0 + δ, w0): 0 to 2.
    """

    module: str
    layer: int
    rank: int
    rows: int
    zero_rows: int
    magnitude: Change
    direction: Change

    def to_dict(self) -> Row:
        """For JSON and tables; what is not finite is None."""
        sizes = {
            name: getattr(self, name) for name in ("module", "layer", "rank", "rows", "zero_rows")
        }
        return sizes | {"draws": len(self.magnitude.drawn)} | {
            key: plain(number)
            for name in ("magnitude", "direction")
            for change in [getattr(self, name)]
            for key, number in (
                (f"{name}_change", change.value), (f"random_{name}_mean", change.mean),
                (f"random_{name}_sd", change.sd), (f"{name}_z", change.z),
            )
        }  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class ChangesTogether(Brief):
    """Pearson's correlation of ΔM and ΔD over layers, beside its own distribution under random ΔW.

    Attributes:
        modules: Whose layers.
        layers: How many, without those where ΔW is zero.
        r: The correlation, −1 to 1; NaN where ΔM or ΔD does not vary.
        drawn: (draw,) that of random ΔW with the same singular values in every layer; as many as the layers all have.
        tested: As the result's.
    """

    modules: tuple[str, ...]
    layers: int
    r: float
    drawn: Array
    tested: bool = True

    @property
    def label(self) -> str:
        """What it is of."""
        return self.modules[0] if len(self.modules) == 1 else "all modules together"

    @property
    def mean(self) -> float:
        """Of the draws; NaN without."""
        return float(self.drawn.mean()) if len(self.drawn) else float("nan")

    @property
    def sd(self) -> float:
        """Of the draws; NaN without."""
        return float(self.drawn.std(ddof=1)) if len(self.drawn) else float("nan")

    @property
    def middle(self) -> tuple[float, float]:
        """Between which 95 of 100 draws are; NaN without."""
        if not len(self.drawn):
            return float("nan"), float("nan")
        low, high = np.quantile(self.drawn, _ENDS)
        return float(low), float(high)

    @cached_property
    def p(self) -> float:
        """Two-sided Monte-Carlo p by Fisher's z (`correlation_p`), not corrected for the number of tests; NaN without draws."""
        return correlation_p(self.r, self.drawn) if self.tested else float("nan")

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "modules": list(self.modules),
            "layers": self.layers,
            "draws": len(self.drawn),
            "r": plain(self.r),
            "random_mean": plain(self.mean),
            "random_sd": plain(self.sd),
            "random_middle": [plain(end) for end in self.middle],
            "p": plain(self.p),
        }


@dataclass(frozen=True, repr=False, eq=False)
class MagnitudeAndDirection(Answer):
    """Does ΔW change the lengths of W0's rows and their directions together?

    Liu et al. 2024 (DoRA), section 3.2, Figure 2, with random ΔW beside it.

    Attributes:
        adapter, base, modules: What was analysed.
        layers: One entry a layer of a module.
        tested: Whether random ΔW are what chance would give: not where A and B are made of W0.
        notes: What a reader should know beside the numbers.
        draws: Random ΔW a layer, or the most of any module; where some have `fewer`, by themselves and with all others, a note says so.
        seed: Of those draws.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
    """

    adapter: str
    base: str
    modules: tuple[str, ...]
    layers: tuple[LayerChange, ...]
    tested: bool
    notes: tuple[str, ...] = ()
    draws: int | None = None
    seed: int | None = None
    base_commit: str | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"magnitude-{self.modules[0]}" if len(self.modules) == 1 else "magnitude"

    def of(self, *modules: str) -> list[LayerChange]:
        """The layers of these modules where ΔW is not zero."""
        return [one for one in self.layers if one.module in modules and one.rank]

    @property
    def fewer(self) -> dict[str, int]:
        """Draws of the modules that have fewer than others."""
        return {
            one.module: len(one.magnitude.drawn)
            for one in self.layers
            if len(one.magnitude.drawn) != self.draws
        }

    @cached_property
    def together(self) -> tuple[ChangesTogether, ...]:
        """A correlation a module, and one over the layers of all; none of fewer than three layers."""
        return tuple(self._together())

    def _together(self) -> Iterator[ChangesTogether]:
        several = [self.modules] if len(self.modules) > 1 else []
        for modules in [*((name,) for name in self.modules), *several]:
            layers = self.of(*modules)
            if len(layers) < FEWEST:
                continue
            own = [
                np.array([change(one).value for one in layers])
                for change in (_magnitude, _direction)
            ]
            fewest = min(len(one.magnitude.drawn) for one in layers)
            drawn = [
                np.stack([change(one).drawn[:fewest] for one in layers], axis=1)
                for change in (_magnitude, _direction)
            ]
            yield ChangesTogether(
                modules, len(layers), float(correlation(*own)), correlation(*drawn), self.tested
            )

    def rows(self) -> list[Row]:
        """One row a layer of a module."""
        return [one.to_dict() for one in self.layers]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "base": self.base,
            "modules": list(self.modules),
            "layers": self.rows(),
            "correlations": [one.to_dict() for one in self.together],
        }


def _magnitude(one: LayerChange) -> Change:
    return one.magnitude


def _direction(one: LayerChange) -> Change:
    return one.direction
