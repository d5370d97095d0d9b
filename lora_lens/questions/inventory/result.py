"""What is in an adapter, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ...labelled import Brief, Row
from ...show.delta_named import Matrix
from ..answer import Answer


@dataclass(frozen=True, repr=False, eq=False)
class LayerSummary(Brief):
    """One module of one layer: shape, scale and spectrum of its s·B·A, which is its ΔW unless it is DoRA.

    Attributes:
        name, layer, module: Full path, layer number (None in no numbered layer), short name.
        rank, in_features, out_features, scaling: Of its factors.
        frobenius_norm: ‖s·B·A‖_F.
        stable_rank: ‖s·B·A‖_F²/σ₁²; None where that is zero.
        effective_rank: exp of the entropy of s/Σs, of s and not of s²; None where that is zero.
        singular_values: Of s·B·A, descending: `rank` of them, or as many as its smaller side; 0 where they are no more than rounding.
        matrix: What these numbers are of: ``ΔW = s·B·A``; of DoRA ``s·B·A``, before its rows are rescaled.
    """

    name: str
    layer: int | None
    module: str
    rank: int
    in_features: int
    out_features: int
    scaling: float
    frobenius_norm: float
    stable_rank: float | None
    effective_rank: float | None
    singular_values: tuple[float, ...]
    matrix: Matrix = "ΔW = s·B·A"


@dataclass(frozen=True, repr=False, eq=False)
class DenseSummary(Brief):
    """A module trained in full, whose ΔW is what was saved less W0; no number of it is told here.

    Attributes:
        name, layer, module: As in `LayerSummary`.
        in_features, out_features: Of ΔW.
    """

    name: str
    layer: int | None
    module: str
    in_features: int
    out_features: int


_COLUMNS = tuple(one.name for one in fields(LayerSummary) if one.name != "singular_values")


@dataclass(frozen=True, repr=False, eq=False)
class Inventory(Answer):
    """What is in an adapter: its modules layer by layer, and what was left out, with why.

    `tensors` is how many its files hold, analysed or left out; `notes` say how they were read, where
    there was a choice; `dense` are the modules that were trained in full, where the base is at hand, which
    are no low-rank part and not among the parameters; `source` is what CondLoRA's factors are made of, where that is not W0.
    """

    adapter: str
    method: str
    base: str | None
    convention: str | None
    trainable_parameters: int
    modules: tuple[LayerSummary, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    tensors: int | None = None
    notes: tuple[str, ...] = ()
    base_commit: str | None = None
    dense: tuple[DenseSummary, ...] = ()
    source: str | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return "inspect"

    def rows(self) -> list[Row]:
        """One row a module and layer, without the singular values; what was trained in full last, whose spectrum is not read."""
        analysed = [{name: getattr(one, name) for name in _COLUMNS} for one in self.modules]
        nothing = dict.fromkeys(_COLUMNS)
        return [*analysed, *(nothing | vars(one) | {"matrix": "ΔW"} for one in self.dense)]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "method": self.method,
            "base": self.base,
            "convention": self.convention,
            **({"source": self.source} if self.source else {}),
            "trainable_parameters": self.trainable_parameters,
            "modules": [
                vars(summary) | {"singular_values": list(summary.singular_values)}
                for summary in self.modules
            ],
            "dense": [dict(vars(summary)) for summary in self.dense],
            "left_out": dict(self.left_out),
            "tensors": self.tensors,
        }
