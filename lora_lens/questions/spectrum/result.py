"""Spectra of ΔW by layer, and of W0 and W0 + ΔW beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ...errors import RankError
from ...labelled import Brief, Row, html_table
from ...moved import moved_name
from ...show.delta_named import Matrix, symbol
from ..answer import Answer
from ..looked_up import looked_up
from .suggestion_result import RankSuggestion

_SHOWN = 16  # singular values in a notebook
_LISTS = ("singular_values", "cosines", "random_cosines")


@dataclass(frozen=True, repr=False, eq=False)
class W0Comparison(Brief):
    """What W0 is where ΔW is added, and what W0 + ΔW becomes.

    Attributes:
        w0_frobenius_norm, w0_spectral_norm: ‖W0‖_F and ‖W0‖_2.
        relative_frobenius_norm: ‖ΔW‖_F/‖W0‖_F.
        relative_spectral_norm: ‖ΔW‖_2/‖W0‖_2.
        w0_stable_rank, w0_effective_rank_s, w0_effective_rank_s2: As of ΔW, of W0.
        w0_edge: Upper Marchenko-Pastur edge of a random matrix with W0's size and norm.
        w0_above_edge: How many of W0's own singular values exceed it.
        delta_above_w0_edge: How many of ΔW's do.
        tuned_edge, tuned_above_edge: The same edge and count of W0 + ΔW.
        cosines: Largest absolute cosine of each of the leading left singular vectors of W0 + ΔW with any
            of W0's; below ε it is an intruder dimension.
        random_cosines: The same of W0 plus a random ΔW with these singular values, draw by draw.
    """

    w0_frobenius_norm: float
    w0_spectral_norm: float
    relative_frobenius_norm: float
    relative_spectral_norm: float
    w0_stable_rank: float
    w0_effective_rank_s: float
    w0_effective_rank_s2: float
    w0_edge: float
    w0_above_edge: int
    delta_above_w0_edge: int
    tuned_edge: float
    tuned_above_edge: int
    cosines: tuple[float, ...]
    random_cosines: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, repr=False, eq=False)
class LayerSpectrum(Brief):
    """ΔW of one module of one layer; of DoRA without W0, s·B·A. Ranks are None where that is zero.

    Attributes:
        name, layer, module: Full path, layer number (None in no numbered layer), short name.
        rank, in_features, out_features: Of its factors.
        matrix: What these numbers are of. ``ΔW = s·B·A``; of DoRA ``ΔW``, which is dense, where W0 is at hand, and
            else ``s·B·A``, before its rows are rescaled; ``ΔW`` of a module trained in full, too.
        singular_values: Of that, descending: `rank` of them, zeros where its smaller side is less, or of a dense ΔW as many as it has.
        frobenius_norm, spectral_norm: ‖ΔW‖_F and ‖ΔW‖_2, or those of s·B·A.
        stable_rank: Their ratio, squared.
        effective_rank_s: exp of the entropy of s/Σs.
        effective_rank_s2: exp of the entropy of s²/Σs², the shares of energy.
        rank_90, rank_95, rank_99: Fewest singular values with that percentage of the energy Σs².
        product_edge: What the largest singular value of a random product of this rank, size and norm stays below;
            of a dense ΔW, `marchenko_pastur_edge`, below which that of a random matrix stays in five of six cases at least.
        above_product_edge: How many singular values exceed it.
        beside_w0: None without a base model.
    """

    name: str
    layer: int | None
    module: str
    rank: int
    in_features: int
    out_features: int
    singular_values: tuple[float, ...]
    frobenius_norm: float
    spectral_norm: float
    stable_rank: float | None
    effective_rank_s: float | None
    effective_rank_s2: float | None
    rank_90: int | None
    rank_95: int | None
    rank_99: int | None
    product_edge: float
    above_product_edge: int
    beside_w0: W0Comparison | None = None
    matrix: Matrix = "ΔW = s·B·A"

    def to_dict(self) -> Row:
        """For JSON."""
        beside = vars(self.beside_w0) if self.beside_w0 else {}
        own = {key: value for key, value in vars(self).items() if key != "beside_w0"}
        listed = own | beside
        return {key: _as_list(value) for key, value in listed.items()}

    @property
    def _said(self) -> str:
        where = "" if self.layer is None else f", layer {self.layer}"
        stable = "zero" if self.stable_rank is None else f"stable rank {self.stable_rank:.3g}"
        return (
            f"{self.module}{where}, {self.out_features}×{self.in_features}, rank {self.rank}; "
            f"‖{symbol([self.matrix])}‖_F {self.frobenius_norm:.4g}, {stable}"
        )

    def _repr_html_(self) -> str:
        shown = self.singular_values[:_SHOWN]
        head = [f"σ{k + 1}" for k in range(len(shown))]
        return html_table(self._said, head, [[f"{s:.4g}" for s in shown]])

    def row(self) -> Row:
        """One row without lists."""
        return {k: v for k, v in self.to_dict().items() if k not in _LISTS}


@dataclass(frozen=True, repr=False, eq=False)
class Spectrum(Answer):
    """Spectra, ranks and norms of an adapter, layer by layer, with what they do to W0.

    Attributes:
        adapter, base: What was analysed; base is None where W0 was left out.
        layers: One entry a module and layer.
        ks, epsilons: Of the sweep over intruder dimensions.
        suggestion: The smallest ranks that keep a share of ΔW's energy; none of DoRA, or of a module trained in full.
        notes: What a reader should know beside the numbers.
        seed: Of the draws.
        draws: Of a random ΔW beside W0; None without W0.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
        module: The one that was asked for; None where all were.
    """

    adapter: str
    base: str | None
    layers: tuple[LayerSpectrum, ...]
    ks: tuple[int, ...]
    epsilons: tuple[float, ...]
    suggestion: RankSuggestion
    notes: tuple[str, ...] = ()
    seed: int | None = None
    base_commit: str | None = None
    draws: int | None = None
    module: str | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return "spectrum" if self.module is None else f"spectrum-{self.module}"

    @property
    def modules(self) -> tuple[str, ...]:
        """Short names of the modules."""
        return tuple(dict.fromkeys(layer.module for layer in self.layers))

    def of(self, module: str) -> tuple[LayerSpectrum, ...]:
        """The layers of one module.

        Raises:
            ResultLookupError: There is none of that name.
        """
        looked_up(dict.fromkeys(self.modules), module, "module")
        return tuple(layer for layer in self.layers if layer.module == module)

    def intruders(
        self, ks: Sequence[int] | None = None, epsilons: Sequence[float] | None = None
    ) -> list[Row]:
        """One row a module, layer, k and ε: how many of the top k are intruder dimensions.

        ``random_mean`` is the mean count over the random ΔW, None where none was drawn. Any ε will
        do.

        Raises:
            RankError: A k above the largest of the sweep.
        """
        if ks and self.ks and max(ks) > max(self.ks):
            raise RankError(f"k is {max(ks)}, but {max(self.ks)} vectors were looked at; pass ks=")
        return [
            {
                "module": layer.module, "layer": layer.layer, "side": "left", "k": k,
                "epsilon": epsilon,
                "count": _below(layer.beside_w0.cosines[:k], epsilon),
                "random_mean": _mean(
                    [_below(draw[:k], epsilon) for draw in layer.beside_w0.random_cosines]
                ),
            }
            for layer in self.layers
            if layer.beside_w0
            for k in (self.ks if ks is None else ks)
            for epsilon in (self.epsilons if epsilons is None else epsilons)
        ]  # fmt: skip

    def singular_values(self) -> list[Row]:
        """One row a module, layer and singular value of ΔW, or of the ``matrix`` that it says.

        ``energy`` is the share of Σs² that it and the larger ones hold; None where all are zero.
        """
        return [
            {
                "module": layer.module, "layer": layer.layer, "matrix": layer.matrix, "index": k + 1, "singular_value": s,
                "energy": energy, "above_product_edge": k < layer.above_product_edge,
            }
            for layer in self.layers
            for k, (s, energy) in enumerate(
                zip(layer.singular_values, _energies(layer.singular_values), strict=True)
            )
        ]  # fmt: skip

    def rows(self) -> list[Row]:
        """One row a module and layer, without singular values and cosines."""
        return [layer.row() for layer in self.layers]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "base": self.base,
            "layers": [layer.to_dict() for layer in self.layers],
            "intruders": self.intruders(),
            "suggestion": self.suggestion.to_dict(),
        }


def _as_list(value: Any) -> Any:
    """Tuples as JSON has them, whatever lies in them."""
    return [_as_list(one) for one in value] if isinstance(value, tuple) else value


def _below(cosines: Sequence[float], epsilon: float) -> int:
    return sum(cosine < epsilon for cosine in cosines)


def _mean(counts: Sequence[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None


def _energies(s: Sequence[float]) -> Sequence[float | None]:
    """The share of Σs² that each and the larger ones hold."""
    if not s or not s[0]:
        return [None] * len(s)
    held = list(accumulate((value / s[0]) ** 2 for value in s))
    return [one / held[-1] for one in held]


if not TYPE_CHECKING:  # which would take any misspelt name for Any

    def __getattr__(name: str) -> Any:
        """`W0Comparison` under the name that it had here."""
        return moved_name(__name__, name)
