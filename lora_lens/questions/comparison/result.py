"""φ between two adapters: one series a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...chance.baseline import Baseline
from ...chance.significance import Significance, significance
from ...core.similarity.layers_together import AS_INDEPENDENT
from ...labelled import Array, Brief, Row, html_rows, plain
from ..answer import Answer
from ..looked_up import looked_up

_CORRELATED = 0.1  # between two layers: of 12 it makes 1.45 times the scatter


@dataclass(frozen=True, repr=False, eq=False)
class LayerSeries(Brief):
    """φ between two adapters' matrices, layer by layer.

    Attributes:
        matrix: ``A``, ``B`` or ``delta`` (ΔW).
        side: Right for A, left for B and ΔW (Table 3).
        layers: Their numbers, of those that are compared.
        values: (layer,) φ.
        baselines: By null: ``gaussian`` (mean and deviation in closed form, draws for its p-values)
            and, where they were drawn, ``flipped`` and ``mismatched``; their `mean_sd` is that of the mean over
            the layers.
        scatter: How many times as far the mean φ of two such adapters scatters, were they unrelated, as that of independent
            layers that lie evenly on the coordinates, which tests are of.
        on_coordinates: The part of that which comes of a few coordinates that outweigh the rest in both; 1 up to 1.1.
        of_one_theta: Whether one θ made a part of either adapter's layers, so that no null tells what their mean φ is by chance.
    """

    matrix: str
    side: str
    layers: tuple[int, ...]
    values: Array
    baselines: Mapping[str, Baseline]
    scatter: float = 1.0
    on_coordinates: float = 1.0
    of_one_theta: bool = False

    @property
    def baseline(self) -> Baseline:
        """The Gaussian one."""
        return self.baselines["gaussian"]

    @property
    def together(self) -> bool:
        """Whether layers go together, or few coordinates outweigh the rest, so far that a test would claim too much.

        Against flips by the correlation of φ in two layers that makes that scatter: directions that W0's layers have in
        common make some too, which a null that keeps W0's directions knows of. Of coordinates it knows nothing, unless W0's
        directions lie along them: that part counts beside either null.
        """
        layers = len(self.layers)
        correlated = layers > 1 and (self.scatter**2 - 1) / (layers - 1) > _CORRELATED
        uneven = self.on_coordinates > 1
        return (
            self.of_one_theta
            or correlated
            or uneven
            or (self.alike and "flipped" not in self.baselines)
        )

    @property
    def alike(self) -> bool:
        """Whether φ scatters farther at all, by W0's doing or by the adapters'."""
        return self.scatter > AS_INDEPENDENT

    @property
    def mean(self) -> float:
        """Mean φ over the layers."""
        return float(self.values.mean())

    @cached_property
    def tests(self) -> dict[str, Significance]:
        """Each null's tests of every layer, and of the mean over them."""
        every = np.ones(len(self.layers), dtype=bool)
        return {name: significance(self.values, one, every) for name, one in self.baselines.items()}

    @property
    def significance(self) -> Significance:
        """The tests against the Gaussian null."""
        return self.tests["gaussian"]

    @property
    def _said(self) -> str:
        nulls = [
            f"{name} {np.mean(one.mean):.3f} ± {one.mean_sd:.3f}"
            for name, one in self.baselines.items()
        ]
        return (
            f"{self.matrix}, {self.side}, {len(self.layers)} layers; mean φ {self.mean:.3f}, "
            f"by chance: {', '.join(nulls)}"
        )

    def _repr_html_(self) -> str:
        rows = [
            {"layer": layer, "φ": float(self.values[k])}
            | {
                name: float(np.broadcast_to(one.mean, self.values.shape)[k])
                for name, one in self.baselines.items()
            }
            for k, layer in enumerate(self.layers)
        ]
        return html_rows(self._said, rows)

    def to_dict(self) -> Row:
        """For JSON; ``baseline`` is the Gaussian one, the others are in ``baselines``."""
        found = {
            name: one.to_dict() | self.tests[name].to_dict() for name, one in self.baselines.items()
        }
        return {
            "side": self.side,
            "phi": plain(self.values),
            "mean": plain(self.mean),
            "baseline": found.pop("gaussian"),
            "baselines": found,
            "scatter": self.scatter,
        }


@dataclass(frozen=True, repr=False, eq=False)
class ComparisonResult(Answer, Mapping[str, LayerSeries]):
    """Do two adapters span alike? Table 3's form; ``result["delta"]`` is ΔW's row."""

    one: str
    other: str
    module: str
    i: int
    j: int
    layers: tuple[int, ...]
    series: Mapping[str, LayerSeries]
    notes: tuple[str, ...] = ()
    seed: int | None = None
    base: str | None = None
    base_commit: str | None = None
    draws: int | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"compare-{self.module}"

    def __getitem__(self, matrix: str) -> LayerSeries:
        return looked_up(self.series, matrix, "matrix")

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    def rows(self) -> list[Row]:
        """One row a layer and matrix."""
        return [
            {
                "module": self.module, "matrix": matrix, "side": series.side, "i": self.i,
                "j": self.j, "layer": layer, "phi": float(value),
            }
            | {
                f"{null}_{name}": float(np.broadcast_to(numbers, series.values.shape)[position])
                for null, one in series.baselines.items()
                for name, numbers in
                ({"mean": one.mean, "sd": one.sd} | series.tests[null].cells()).items()
            }
            for matrix, series in self.series.items()
            for position, (layer, value) in enumerate(zip(self.layers, series.values, strict=True))
        ]  # fmt: skip

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "one": self.one,
            "other": self.other,
            "module": self.module,
            "i": self.i,
            "j": self.j,
            "layers": list(self.layers),
            "matrices": {matrix: series.to_dict() for matrix, series in self.series.items()},
        }
