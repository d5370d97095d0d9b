"""The claim asked forwards: how much of a layer's factor the other layers' θ predicts, beside its nulls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...chance.against_null import NullTest
from ...chance.p_values import fewest_draws
from ...chance.significance import LEVEL
from ...labelled import Array, Brief, Row, html_rows, plain

if TYPE_CHECKING:
    from torch import Tensor

DESCRIBING = 50  # draws, at most, of the nulls that no verdict comes from


@dataclass(frozen=True, repr=False, eq=False)
class Predicted(Brief):
    """The predicted share of B_l's r directions, ‖P(W_lθ₋ₗ)·Q_l‖²/r, θ₋ₗ fitted to the factors of all layers but l.

    At k ≥ r it is φ(B_l, W_lθ₋ₗ); at k < r it is k/r at most. Nothing is inverted, W may have any shape, and no number
    depends on the gauge at full rank. 1 in every layer for a CondLoRA adapter (of width r, unless it is `trivial`); k/out
    (k/in for A) on average where B_l has nothing to do with the others.

    Attributes:
        matrix: ``A`` or ``B``; for A all is of W_lᵀ and A_lᵀ (of W_l and A_lᵀ for a CondLoRA adapter trained under ``stored``).
        rank: r, dimensions of each layer's factor.
        width: k, columns of θ.
        layers: Layer numbers, as in the checkpoint.
        share: (layer,) in [0, 1].
        chance: Its mean for a uniform factor, given the others: k/out.
        nulls: Of the mean over layers, θ fitted anew in every draw. ``flipped``: every layer's factor turned
            by random signs on its own W's singular directions, which keeps where it lies on them: the
            verdict comes from this one. ``uniform``: unrelated factors; ``mismatched``: the factors
            shuffled over the layers. These two describe: factors that merely lie along their own W's
            leading directions are beyond both.
        by_layer: Each layer's share against flips of that layer alone, θ₋ₗ as it is: mean and deviation in
            closed form, p by cheap flips.
        p_holm: (layer,) p of `by_layer` after Holm, over the layers of this factor alone; `p_named` is what a
            layer is named by, ``p_holm_layers_and_tests`` in JSON and CSV.
        draws: Of each of `nulls`; 0 of one in closed form.
        flips: Of `by_layer`.
        sqrt_kappa: (layer,) √κ(S₋ₗ), how well the other layers' W determine θ; errors go as its square.
        seen: (layer,) dimensions of θ that the other layers see; below `in`, the rest counts as not
            predicted. With a ridge this, `sqrt_kappa` and `seen_alone` are of S₋ₗ + λ²I, which has all.
        seen_alone: (layer,) those that the layer sees and no other: of a factor made there nothing is predicted, whatever layers share.
        theta: (in, k) θ fitted to all layers.
        trivial: Whether more directions of θ than k fit the other layers' factors exactly, or with a ridge equally well, as where their W have few independent rows beside
            θ's dimensions: which of them θ₋ₗ is made of is nobody's finding, and shares, their p and nulls are NaN or missing.
        whole: Whether the factor, or what θ yields, is of as many dimensions as the space: the share is min(k, r)/r then, whatever it is
            (but for dimensions that W0 makes too small to count), and nothing of it is tested.
        carried: Whether θ is of one adapter and the factors of another.
        scatter: Where it is, how many times as far the mean scatters, were they unrelated, as that of independent layers; above 1.1 `nulls` and `detectable` are of
            so few independent groups of layers that theirs scatters as far.
        alike: How many times as far the mean φ of two adapters with layers like these would scatter as that of independent layers: 1 where their factors
            are unrelated, √L where all have one subspace, as where A is frozen at one value in all layers.
        hang_together: Where it is and is tested, how far the other adapter's layers hang together by a θ′ of their own, from 0 to 1.
        of_one_theta: Whether one θ′ made all of them, so that flips are of θ′ and turn all layers at once; each layer by itself is flipped alone.
        unknown: Whether nothing is tested of the mean, for the other's layers hang together and no flips are known that do so too.
        detectable: The excess over `flipped`'s mean that is found in 80 of 100 cases at the level corrected
            for all factors that are tested.
        drawn: (draw,) means of the flipped null's draws.
    """

    matrix: str
    rank: int
    width: int
    layers: tuple[int, ...]
    share: Array
    chance: float
    nulls: Mapping[str, NullTest[float]]
    by_layer: NullTest[Array]
    p_holm: Array
    draws: Mapping[str, int]
    flips: int
    sqrt_kappa: Array
    seen: tuple[int, ...]
    seen_alone: tuple[int, ...]
    theta: Tensor = field(repr=False)
    trivial: bool = False
    whole: bool = False
    carried: bool = False
    scatter: float = 1.0
    alike: float = 1.0
    hang_together: float | None = None
    of_one_theta: bool = False
    unknown: bool = False
    detectable: float | None = None
    drawn: Array | None = field(default=None, repr=False)

    def p_named(self, tests: int) -> Array:
        """(layer,) what a layer is named by where the mean is found, and what tables print as "p (Holm)": `p_holm` times the tests.

        A factor that only some layers share is no licence for the layers of others.

        Args:
            tests: How many means were tested with this one: `Verdict.family`.
        """
        return np.minimum(1.0, self.p_holm * tests)

    def flips_needed(self, tests: int) -> int:
        """Flips of a layer from which the smallest p that they can give could name a layer, among all layers and tests."""
        return fewest_draws(LEVEL, tests=len(self.layers) * tests)

    @property
    def mean(self) -> float:
        """Mean share over the layers."""
        return float(self.share.mean())

    @property
    def _said(self) -> str:
        nulls = [f"{name} {one.mean:.3f} ± {one.sd:.3f}" for name, one in self.nulls.items()]
        by_chance = ", ".join(nulls) or f"uniform {self.chance:.3f}"
        found = (
            "not determined" if self.trivial else f"mean {self.mean:.3f}, by chance: {by_chance}"
        )
        return f"{self.matrix}, {len(self.layers)} layers; {found}"

    def _repr_html_(self) -> str:
        rows = [
            {
                "layer": layer, "predicted": float(self.share[k]),
                "flipped": float(self.by_layer.mean[k]), "p (Holm, layers)": float(self.p_holm[k]),
            }
            for k, layer in enumerate(self.layers)
        ]  # fmt: skip
        return html_rows(self._said, rows)

    def rows(self, name: str = "predicted", tests: int | None = None) -> list[Row]:
        """One row a layer.

        Args:
            name: What columns are called by: ``carried`` where θ is of another adapter.
            tests: Of `p_named`, which has a column where they are known.
        """
        named = () if tests is None else self.p_named(tests)
        return [
            {
                "matrix": self.matrix, "rank": self.rank, "width": self.width, "layer": layer,
                name: float(self.share[k]), f"{name}_chance": self.chance,
                f"{name}_p_holm": plain(float(self.p_holm[k])),
            }
            | {f"{name}_p_holm_layers_and_tests": plain(float(p)) for p in named[k : k + 1]}
            | {
                f"{name}_flipped_{statistic}": plain(float(np.asarray(values)[k]))
                for statistic, values in vars(self.by_layer).items()
            }
            for k, layer in enumerate(self.layers)
        ]  # fmt: skip

    def to_dict(self, tests: int | None = None) -> Row:
        """For JSON, `p_named` too where its tests are known; θ is not in it."""
        named = {} if tests is None else {"p_holm_layers_and_tests": plain(self.p_named(tests))}
        carried: Row = {}
        if self.carried:
            hang = None if self.hang_together is None else plain(self.hang_together)
            carried = {"scatter": plain(self.scatter), "hang_together": hang}
        return carried | {
            "share": plain(self.share),
            "mean": plain(self.mean),
            "chance": plain(self.chance),
            "nulls": {
                name: {"draws": self.draws[name]} | test.to_dict()
                for name, test in self.nulls.items()
            },
            "layers": {"flips": self.flips, "p_holm": plain(self.p_holm)}
            | named
            | self.by_layer.to_dict(),
            "detectable": None if self.detectable is None else plain(self.detectable),
            "sqrt_kappa": plain(self.sqrt_kappa),
            "seen": list(self.seen),
            "seen_alone": list(self.seen_alone),
            "trivial": self.trivial,
            "whole": self.whole,
        }
