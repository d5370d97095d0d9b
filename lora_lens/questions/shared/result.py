"""What one shared layer captures of each layer's conversions, beside its nulls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...chance.against_null import NullTest
from ...labelled import Array, Brief, Row, html_rows, plain
from ..answer import Answer
from ..looked_up import looked_up
from .predicted import Predicted

if TYPE_CHECKING:
    from torch import Tensor

Through = Literal["w0", "source"]  # what is asked to make every layer's factor


@dataclass(frozen=True, repr=False, eq=False)
class SharedNull(Brief):
    """The numbers of a `SharedSubspace` against one null.

    Attributes:
        draws: How many, 0 for none: then only what has a closed form is there, the rest is NaN.
        share, mean_left_out: Of those two numbers.
        captured, left_out: By layer.
        curve: By width.
        eigenvalues: Of the mean projector, one by one.
    """

    draws: int
    share: NullTest[float]
    mean_left_out: NullTest[float]
    captured: NullTest[Array]
    left_out: NullTest[Array]
    curve: NullTest[Array]
    eigenvalues: NullTest[Array]

    @property
    def _said(self) -> str:
        return f"share {self.share.mean:.4f} ± {self.share.sd:.4f}, {self.draws} draws"

    def to_dict(self) -> Row:
        """For JSON."""
        tests = {name: test.to_dict() for name, test in vars(self).items() if name != "draws"}
        return {"draws": self.draws} | tests


@dataclass(frozen=True, repr=False, eq=False)
class SharedSubspace(Brief):
    """How much of each layer's conversion subspace one shared θ captures.

    Attributes:
        matrix: ``A`` or ``B``.
        rank: r, the dimension of each layer's subspace.
        width: k, that of the shared one.
        dimension: d, of the space they live in.
        layers: Layer numbers, as in the checkpoint.
        eigenvalues: Of the mean projector (1/L) Σ U_l U_lᵀ, descending, in [0, 1]; their sum is r.
        captured: (layer,) ‖θᵀU_l‖_F²/r by the best shared θ of all layers.
        left_out: (layer,) the same by the best shared θ of the other layers; NaN for one layer.
        theta: (d, k) that best shared θ: orthonormal, largest eigenvalue first, signs arbitrary;
            fewer than k columns where the layers together span fewer dimensions.
        nulls: ``gaussian`` and, where it was drawn, ``propagated``.
        predicted: The claim asked forwards, which needs no inverse; None for one layer.
        carried: What θ₋ₗ of this adapter predicts of layer l of another; None where there is no other.
    """

    matrix: str
    rank: int
    width: int
    dimension: int
    layers: tuple[int, ...]
    eigenvalues: Array
    captured: Array
    left_out: Array
    theta: Tensor = field(repr=False)
    nulls: Mapping[str, SharedNull] = field(repr=False)
    predicted: Predicted | None = None
    carried: Predicted | None = None

    @property
    def asked(self) -> Predicted | None:
        """What a verdict is of: of what is carried over where there is another adapter, else of what is predicted."""
        return self.predicted if self.carried is None else self.carried

    @property
    def share(self) -> float:
        """Mean share that the best shared θ captures: Σ_{j≤k} λ_j / r, from `least` to `most`."""
        return float(self.curve[self.width - 1])

    @property
    def curve(self) -> Array:
        """`share` for every width from 1 to min(layers·r, d)."""
        return np.minimum(self.eigenvalues.cumsum() / self.rank, 1)

    @property
    def mean_left_out(self) -> float:
        """Mean of `left_out` over the layers."""
        return float(self.left_out.mean())

    @property
    def least(self) -> float:
        """The share is at least k/min(L·r, d): at k = r 1/L, which orthogonal subspaces have, or r/d."""
        return self.width / min(len(self.layers) * self.rank, self.dimension)

    @property
    def most(self) -> float:
        """The share is at most min(1, k/r): one subspace in all layers."""
        return min(1.0, self.width / self.rank)

    @property
    def gap(self) -> float:
        """λ_k − λ_{k+1}: where it is 0, other θ capture as much on average, and less or more of a layer."""
        following = self.eigenvalues[self.width] if self.width < len(self.eigenvalues) else 0.0
        return float(self.eigenvalues[self.width - 1] - following)

    def rows(self, tests: int | None = None) -> list[Row]:
        """One row a layer: the tidy form. Columns of `predicted` and `carried` are there where those are; `tests` as they take it."""
        forwards = [
            one.rows(name, tests)
            for name, one in (("predicted", self.predicted), ("carried", self.carried))
            if one is not None
        ]
        return [
            {
                "matrix": self.matrix, "rank": self.rank, "width": self.width, "layer": layer,
                "captured": float(self.captured[x]), "left_out": plain(float(self.left_out[x])),
            }
            | {
                f"{what}_{name}_{statistic}": plain(float(np.asarray(values)[x]))
                for what in ("captured", "left_out")
                for name, null in self.nulls.items()
                for statistic, values in vars(getattr(null, what)).items()
            }
            | {key: value for rows in forwards for key, value in rows[x].items()}
            for x, layer in enumerate(self.layers)
        ]  # fmt: skip

    @property
    def _said(self) -> str:
        nulls = [f"{name} {one.share.mean:.3f}" for name, one in self.nulls.items()]
        told = self.predicted is not None and not self.predicted.trivial
        asked = f", predicted {self.predicted.mean:.3f}" if self.predicted and told else ""
        return (
            f"{self.matrix}, {len(self.layers)} layers{asked}; share {self.share:.3f}, "
            f"by chance: {', '.join(nulls)}"
        )

    def _repr_html_(self) -> str:
        rows = [
            {"layer": layer}
            | ({} if self.predicted is None else {"predicted": float(self.predicted.share[k])})
            | {"captured": float(self.captured[k]), "left out": float(self.left_out[k])}
            for k, layer in enumerate(self.layers)
        ]
        return html_rows(self._said, rows)

    def to_dict(self, tests: int | None = None) -> Row:
        """For JSON; θ is not in it. `tests` as `predicted` and `carried` take it."""
        return {
            "dimension": self.dimension,
            "share": self.share,
            "least": self.least,
            "most": self.most,
            "mean_left_out": plain(self.mean_left_out),
            "captured": plain(self.captured),
            "left_out": plain(self.left_out),
            "eigenvalues": plain(self.eigenvalues),
            "gap": self.gap,
            "curve": plain(self.curve),
            "nulls": {name: null.to_dict() for name, null in self.nulls.items()},
            "predicted": None if self.predicted is None else self.predicted.to_dict(tests),
            **({} if self.carried is None else {"carried": self.carried.to_dict(tests)}),
        }


@dataclass(frozen=True, repr=False, eq=False)
class SharedResult(Answer, Mapping[str, SharedSubspace]):
    """Does one linear layer yield every layer's factor? ``result["A"]`` says it of A.

    Attributes:
        adapter, base, method, module, convention, rank, width, layers: What was analysed, and how.
        ridge: Of θ asked forwards; 0 for none.
        convention_why: Why it is that convention.
        subspaces: Matrix to what is shared of it.
        notes: What a reader should know beside the numbers, a sentence each.
        seed, draws: Of the nulls.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
        other: The adapter that θ is carried over to; None without one.
        through: Whether W0 was asked, or what stood for it in training.
    """

    adapter: str
    base: str
    method: str
    module: str
    convention: str
    convention_why: str
    rank: int
    width: int
    layers: tuple[int, ...]
    subspaces: Mapping[str, SharedSubspace]
    notes: tuple[str, ...] = ()
    seed: int | None = None
    other: str | None = None
    ridge: float = 0.0
    base_commit: str | None = None
    draws: int | None = None
    through: Through = "w0"

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        other = "" if self.other is None else "other-"
        through = "source-" if self.through == "source" else ""
        return f"shared-{through}{other}{self.module}"

    @property
    def tests(self) -> int:
        """How many means were tested together: over so many a layer's p is corrected beside the layers."""
        return max((one.verdict.family for one in self.findings), default=1)

    def __getitem__(self, matrix: str) -> SharedSubspace:
        return looked_up(self.subspaces, matrix, "matrix")

    def __iter__(self) -> Iterator[str]:
        return iter(self.subspaces)

    def __len__(self) -> int:
        return len(self.subspaces)

    def rows(self) -> list[Row]:
        """One row a matrix and layer."""
        labels = {"module": self.module, "convention": self.convention, "ridge": self.ridge}
        return [labels | row for shared in self.values() for row in shared.rows(self.tests)]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "base": self.base,
            "method": self.method,
            "module": self.module,
            "convention": self.convention,
            "convention_why": self.convention_why,
            "rank": self.rank,
            "width": self.width,
            "ridge": self.ridge,
            "layers": list(self.layers),
            **({} if self.through == "w0" else {"through": self.through}),
            **({} if self.other is None else {"other": self.other}),
            "matrices": {matrix: shared.to_dict(self.tests) for matrix, shared in self.items()},
        }
