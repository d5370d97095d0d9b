"""The coordinates that conversion subspaces hold, what they explain, and φ without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...chance.against_null import NullTest
from ...labelled import Array, Brief, Row, plain
from ..answer import Answer

LEVEL = 0.01  # chance of naming any coordinate where none stands apart
# Mean and deviation of the null are `propagated`'s.
_OF_OBSERVED = ("z", "p", "excess", "p_two_sided")


@dataclass(frozen=True, repr=False, eq=False)
class Coordinate(Brief):
    """One coordinate of the space that conversions live in.

    Attributes:
        coordinate: Its number, from 0.
        named: Whether it stands apart from all others.
        p: How surely, if the others fall off as an exponential does or faster: corrected for all gaps among which
            that is sought (see `standing_apart`).
        magnification: Mean over the layers of 1/n², n the norm of W0's column there beside the layer's
            median (of n² where W0 is wider than high, and the pseudo-inverse works the other way).
        column_norm: (layer,) n.
        share: (layer,) share of its unit vector in the layer's conversion subspace, at most 1; r/d by
            chance. Of untrained factors: the mean over the draws.
        propagated_share: (layer,) the mean of it for random factors through the same W0.
        share_p: Monte-Carlo p of the mean share over the layers against those draws; NaN if untrained.
        explains: By how much less the propagated mean of φ exceeds the Gaussian one after its column
            alone is scaled to the median norm, as a share of that excess. NaN where the excess
            is not above three of its standard errors, or the coordinate is not named.
        explains_together: The same for it and all that come before it.
    """

    coordinate: int
    named: bool
    p: float
    magnification: float
    column_norm: Array
    share: Array
    propagated_share: Array
    share_p: float
    explains: float
    explains_together: float

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            name: value if isinstance(value, int) else plain(value)
            for name, value in vars(self).items()
        }


@dataclass(frozen=True, repr=False, eq=False)
class Alike(Brief):
    """Mean φ between layers for random factors through W0, and for the adapter's own.

    Attributes:
        propagated: (layer, layer) mean over the draws.
        mean, sd: Of its mean off the diagonal, from draw to draw.
        deep: Mean over pairs of the deep half of the layers; NaN where that has no pair.
        observed: The adapter's own mean off the diagonal; NaN if untrained.
        test: Of `observed` against the draws.
    """

    propagated: Array
    mean: float
    sd: float
    deep: float
    observed: float
    test: NullTest[float] | None

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "propagated": {
                "mean": plain(self.mean), "sd": plain(self.sd), "deep": plain(self.deep),
                "grid": plain(self.propagated),
            },
            "observed": None
            if self.test is None
            else {"mean": plain(self.observed)}
            | {name: plain(getattr(self.test, name)) for name in _OF_OBSERVED},
        }  # fmt: skip


@dataclass(frozen=True)
class Beyond:
    """A coordinate that an adapter's conversion subspaces hold beyond what W0 makes of random factors.

    Attributes:
        coordinate: Its number.
        share: Mean over the layers.
        propagated: The same for random factors.
        p: By the max-statistic over all coordinates.
    """

    coordinate: int
    share: float
    propagated: float
    p: float


@dataclass(frozen=True, repr=False, eq=False)
class OutliersResult(Answer):
    """Which coordinates make conversions alike across layers, whatever was trained?

    Attributes:
        adapter: What was analysed; None for untrained factors.
        base, method, module, matrix, convention, convention_why, rank: How.
        layers: Layer numbers.
        space: ``inputs`` or ``outputs`` of W0, in which the conversions live.
        dimension: d, of that space.
        inverse: Whether nearly empty columns count, or large ones (W0 wider than high).
        candidates: The named coordinates, strongest first, then the next that could have been.
        considered: How many coordinates could have been named.
        gaussian: Mean and deviation of the mean φ off the diagonal of unrelated subspaces.
        before: With W0 as it is.
        after: With the named columns at the median norm of their layer: a sensitivity, not a correction.
        every: The propagated mean, and that of the deep half, with all columns at it; NaN where W0 has
            no full column rank.
        explained: Share of the excess over Gaussian that the named coordinates explain together.
        magnifications, shares: (d,) Of every coordinate: see `Coordinate`; mean over the layers.
        beyond: Coordinates that the adapter holds beyond what W0 makes of uniform factors, strongest first;
            factors along each W0's own directions hold a hundred, so no sentence is made of them.
        draws, seed: Of the propagated null.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
        notes: What a reader should know beside the numbers.
    """

    adapter: str | None
    base: str
    method: str
    module: str
    matrix: str
    convention: str
    convention_why: str
    rank: int
    layers: tuple[int, ...]
    space: str
    dimension: int
    inverse: bool
    candidates: tuple[Coordinate, ...]
    considered: int
    gaussian: tuple[float, float]
    before: Alike
    after: Alike
    every: tuple[float, float]
    explained: float
    magnifications: Array
    shares: Array
    beyond: tuple[Beyond, ...]
    draws: int
    notes: tuple[str, ...] = ()
    seed: int | None = None
    base_commit: str | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"outliers-{self.module}-{self.matrix}"

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Those that stand apart, strongest first."""
        return tuple(one for one in self.candidates if one.named)

    @property
    def by_chance(self) -> float:
        """r/d: the share of a unit vector in an unrelated subspace."""
        return self.rank / self.dimension

    @property
    def deep_layers(self) -> Sequence[int]:
        """The deep half of the layers."""
        return self.layers[len(self.layers) // 2 :]

    def rows(self) -> list[Row]:
        """One row a candidate and layer."""
        labels = {"module": self.module, "matrix": self.matrix, "convention": self.convention}
        return [
            labels
            | {
                "coordinate": one.coordinate,
                "named": one.named,
                "layer": layer,
                "column_norm": float(one.column_norm[k]),
                "share": float(one.share[k]),
                "propagated_share": float(one.propagated_share[k]),
                "magnification": one.magnification,
                "p": one.p,
                "explains": one.explains,
                "explains_together": one.explains_together,
            }
            for one in self.candidates
            for k, layer in enumerate(self.layers)
        ]

    def numbers(self) -> Row:
        """For JSON."""
        mean, sd = self.gaussian
        return {
            "adapter": self.adapter,
            "base": self.base,
            "method": self.method,
            "module": self.module,
            "matrix": self.matrix,
            "convention": self.convention,
            "convention_why": self.convention_why,
            "rank": self.rank,
            "layers": list(self.layers),
            "space": self.space,
            "dimension": self.dimension,
            "coordinates": [one.to_dict() for one in self.coordinates],
            "next": [one.to_dict() for one in self.candidates if not one.named],
            "explained": plain(self.explained),
            "rule": {"level": LEVEL, "considered": self.considered, "emptiest": self.inverse},
            "share_by_chance": self.by_chance,
            "gaussian": {"mean": plain(mean), "sd": plain(sd)},
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "every_column": {"mean": plain(self.every[0]), "deep": plain(self.every[1])},
            "beyond_w0": [dict(vars(one)) for one in self.beyond],
        }
