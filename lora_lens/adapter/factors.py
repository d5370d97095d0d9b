"""A and B of one module: of all its layers at once, or of one layer when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from jaxtyping import Float

from ..arrays import Either, Stored, Tensor, as_array, nothing
from .fused_rows import FusedRows


@dataclass(frozen=True, eq=False)
class ModuleFactors:
    """The factors of one target module over its layers: ``ΔW_l = scaling_l · b_l @ a_l``, unless it has a magnitude.

    Mixed ranks are padded with zero rows of `a` and zero columns of `b`, which leaves ΔW and its
    leading singular vectors as they are.

    Attributes:
        module: What people call it: ``value``, ``q_proj``, ``attention.output.dense``.
        pattern: Its full path with ``*`` for the layer; without one where it is in no numbered layer.
            Where layers of one path differ in shape, what tells this part of them stands after ``@``.
        layers: Layer numbers as in the checkpoint's names, ascending; 0 for a module in no layer.
        names: Full module paths, one a layer.
        a: (layer, rank, in), in the dtype of the file.
        b: (layer, out, rank).
        scaling: (layer,) s = α/r, or α/√r under rsLoRA.
        ranks: Each layer's own rank, before padding.
        part: Which of a fused projection's output rows these are (of GPT-2's ``c_attn``, the first
            third is the query); None for a projection of its own.
        magnitude: (layer, out) the norms that DoRA gives the rows of ``V_l = W0_l + scaling_l · b_l @ a_l``,
            so that ΔW_l is the rescaled V_l less W0_l, of full rank; None of adapters without. Where
            `by_column`, (layer, channels).
        by_column: Whether the magnitude is of V_l's input channels, columns one after the other, and not of rows.
        norm_scaling: (layer,) of DoRA whose norms are those of ``W0_l + norm_scaling_l · b_l @ a_l``; None where
            they are V_l's.
    """

    module: str
    pattern: str
    layers: tuple[int, ...]
    names: tuple[str, ...]
    a: Float[Tensor, "layer rank in"]
    b: Float[Tensor, "layer out rank"]
    scaling: Float[Tensor, " layer"]
    ranks: tuple[int, ...]
    part: FusedRows | None = None
    magnitude: Float[Tensor, "layer norms"] | None = None
    by_column: bool = False
    norm_scaling: Float[Tensor, " layer"] | None = None

    def __repr__(self) -> str:
        ranks = (
            f"{low}"
            if (low := min(self.ranks)) == (high := max(self.ranks))
            else f"{low} to {high}"
        )
        count, size = len(self.layers), f"{self.out_features}×{self.in_features}"
        return f"<ModuleFactors: {self.pattern}, {count} layer{'s' * (count != 1)} of {size}, rank {ranks}>"

    @property
    def numbered(self) -> bool:
        """Whether it is in numbered layers; ``lm_head`` and a pooler are not, and have no other to compare with."""
        return is_numbered(self.pattern)

    @property
    def in_features(self) -> int:
        """Input width of W0, the columns of A."""
        return self.a.shape[-1]

    @property
    def out_features(self) -> int:
        """Output width of W0, the rows of B."""
        return self.b.shape[-2]


@dataclass(frozen=True)
class LayerFactors:
    """The factors of one module in one layer, which are read when they are asked for.

    Attributes:
        module: As in `ModuleFactors`.
        layer: Its number; None for a module in no numbered layer.
        name: Full module path.
        rank: Its own.
        out_features, in_features: Rows of B, columns of A.
        scaling: s.
        part: As in `ModuleFactors`.
        read: Gives A (rank, in) and B (out, rank), not padded, in the dtype of the file: both as
            NumPy's arrays (bfloat16 as float32), or both as torch's tensors where NumPy cannot.
        release: Gives back the memory of the file that reading has touched; what was read is not to be
            used after it.
        stored: Where A and B lie in a file; gives None where they do not lie there as they are.
        rescaled: Whether ΔW is more than s·B·A: DoRA's, which its magnitude and W0 make.
        unchanged: Whether a ΔW that is what was saved less W0 is exactly zero, of a fused projection in all of its rows; gives
            None of others.
    """

    module: str
    layer: int | None
    name: str
    rank: int
    out_features: int
    in_features: int
    scaling: float
    part: FusedRows | None
    read: Callable[[], tuple[Either, Either]] = field(repr=False, compare=False)
    release: Callable[[], None] = field(default=nothing, repr=False, compare=False)
    stored: Callable[[], tuple[Stored, Stored] | None] = field(
        default=nothing, repr=False, compare=False
    )
    rescaled: bool = False
    unchanged: Callable[[], bool | None] = field(default=nothing, repr=False, compare=False)

    def __repr__(self) -> str:
        return (
            f"<LayerFactors: {self.name}, {self.out_features}×{self.in_features}, rank {self.rank}>"
        )


def is_numbered(pattern: str) -> bool:
    """Whether a module of this pattern is in numbered layers."""
    return "*" in pattern.partition("@")[0].split(".")


def unstacked(factors: ModuleFactors) -> Iterator[LayerFactors]:
    """The layers of a module that is at hand as a whole."""
    for position, rank in enumerate(factors.ranks):
        a, b = factors.a[position, :rank], factors.b[position, :, :rank]
        yield LayerFactors(
            module=factors.module,
            layer=factors.layers[position] if factors.numbered else None,
            name=factors.names[position],
            rank=rank,
            out_features=factors.out_features,
            in_features=factors.in_features,
            scaling=float(factors.scaling[position]),
            part=factors.part,
            read=partial(_both, a, b),
            rescaled=factors.magnitude is not None,
        )


def _both(a: Tensor, b: Tensor) -> tuple[Either, Either]:
    # As a file's come: NumPy's last digits are not torch's.
    x, y = as_array(a), as_array(b)
    return (a, b) if x is None or y is None else (x, y)
