"""What a trained adapter is, once read: named low-rank factors by module and layer."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from jaxtyping import Float

from .arrays import Either, Stored, Tensor, nothing

_NAMED = 6  # modules in an adapter's line
_MOST_MODULES = 24  # in its table


class Part(NamedTuple):
    """The rows of a fused projection that are one role's: the same ones of each of equal blocks.

    Attributes:
        start, stop: The role's rows of a block.
        block: All rows of a block.
        blocks: How many of them are below each other: 1, or one a head.
    """

    start: int
    stop: int
    block: int
    blocks: int = 1

    @property
    def whole(self) -> int:
        """Rows of the whole matrix."""
        return self.blocks * self.block

    @property
    def rows(self) -> int:
        """The role's rows."""
        return self.blocks * (self.stop - self.start)

    def take(self, matrix: Float[Any, "whole columns"]) -> Float[Any, "rows columns"]:
        """The role's rows of a matrix, in their order.

        Example:
            >>> import numpy as np
            >>> rows = np.arange(8.0)[:, None]
            >>> Part(3, 4, block=4, blocks=2).take(rows)[:, 0].tolist()
            [3.0, 7.0]
        """
        if self.blocks == 1:
            return matrix[self.start : self.stop]
        columns = matrix.shape[1]
        blocks = matrix.reshape(self.blocks, self.block, columns)
        return blocks[:, self.start : self.stop].reshape(self.rows, columns)


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
    part: Part | None = None
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
    """

    module: str
    layer: int | None
    name: str
    rank: int
    out_features: int
    in_features: int
    scaling: float
    part: Part | None
    read: Callable[[], tuple[Either, Either]] = field(repr=False, compare=False)
    release: Callable[[], None] = field(default=nothing, repr=False, compare=False)
    stored: Callable[[], tuple[Stored, Stored] | None] = field(
        default=nothing, repr=False, compare=False
    )
    rescaled: bool = False

    def __repr__(self) -> str:
        return (
            f"<LayerFactors: {self.name}, {self.out_features}×{self.in_features}, rank {self.rank}>"
        )


def is_numbered(pattern: str) -> bool:
    """Whether a module of this pattern is in numbered layers."""
    return "*" in pattern.partition("@")[0].split(".")


@dataclass(frozen=True)
class Placement:
    """Where and how a base has W0 of some modules, where that is not at their path and as (out, in).

    Attributes:
        tables: Paths of embeddings, whose W0 is a row a token: the transpose of the (out, in) that a
            layer of one-hot tokens would have.
        copies: Path of a module in a layer that was replicated to that of the layer it is a copy of.
    """

    tables: frozenset[str] = frozenset()
    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """What an adapter's files say of the model that it was trained on.

    Attributes:
        base: Folder or hub id that its configuration names.
        library: Where the code of the model's class was (PEFT's ``auto_mapping``), as
            ``transformers.models.bert.modeling_bert``.
        model_class: Its name (the same), as ``CLIPTextModel``.
        words: What its tensors' names begin with.
        placement: Where its base has W0 of modules that are not where their paths say.
    """

    base: str | None = None
    library: str | None = None
    model_class: str | None = None
    words: frozenset[str] = frozenset()
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True, repr=False, eq=False)
class Adapter:
    """An adapter as read from its folder; one line and, in Jupyter, a small table of its modules.

    Attributes:
        source: The folder, file or hub id it was read from.
        method: ``lora``, ``dora``, ``condlora``, ``vera``, …: as its format calls it.
        base_model: Folder or hub id of its base model; None if neither it nor the caller named one.
        base_given: Whether the caller named the base, and so allowed its download.
        modules: Target module to its factors.
        left_out: Every tensor of the file that is not analysed, with the reason.
        trainable_parameters: Numbers in the low-rank part: A and B, or the shared θ, and the Λ of what has one. DoRA's
            magnitudes are not counted, nor heads trained in full, which are in `left_out`.
        convention: How a CondLoRA adapter makes A from W0; None for LoRA.
        fan_in_fan_out: Whether the configuration says W0 is stored (in, out), as Conv1D does.
        title: The method as sentences name it: ``LoRA``.
        revision: Branch, tag or commit of `base_model` that is meant, where it is said: by the caller,
            or else by the adapter of the base that it names.
        origin: What its files say of the model that it was trained on.
        base_commit: Of the W0 in its hub repository that A and B were made of, where they were.
        live: W0, a `lora_lens.bases.weights.BaseWeights`, where it was read from a model in memory.
        notes: How it was read, where there was a choice: a sentence each.
        tensors: How many its files hold, analysed or left out; None where that is not known.
        caveats: What whoever asks about its factors has to be told: a sentence each.
        dense: Module trained in full (PEFT's ``modules_to_save``) to its ΔW, which is what was saved less
            W0, where the base is on this machine: ``b @ a`` of factors of which one is the identity.
            Matrices are (out, in), embeddings (tokens, width).
    """

    source: str
    method: str
    base_model: str | None
    base_given: bool
    modules: Mapping[str, ModuleFactors]
    left_out: Mapping[str, str]
    trainable_parameters: int
    convention: Literal["stored", "consistent"] | None = None
    fan_in_fan_out: bool = False
    title: str = "LoRA"
    revision: str | None = None
    origin: Origin = field(default_factory=Origin)
    live: Any = field(default=None, repr=False, compare=False)
    notes: tuple[str, ...] = ()
    tensors: int | None = None
    base_commit: str | None = None
    caveats: tuple[str, ...] = ()
    dense: Mapping[str, ModuleFactors] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Adapter: {self._said}>"

    def _repr_html_(self) -> str:
        names = list(self.modules)
        rows = "".join(map(self._html_row, names[:_MOST_MODULES]))
        rest = len(names) - _MOST_MODULES
        more = f"<p>and {rest} more: .modules</p>" if rest > 0 else ""
        heads = "".join(f"<th>{head}</th>" for head in ("module", "layers", "rank", "out × in"))
        return f"<p><b>{html.escape(self._said)}</b></p><table><tr>{heads}</tr>{rows}</table>{more}"

    def _html_row(self, name: str) -> str:
        found = list(self.each_layer([name]))
        ranks = sorted({one.rank for one in found})
        shapes = sorted({(one.out_features, one.in_features) for one in found})
        spans = " to ".join(map(str, dict.fromkeys((ranks[0], ranks[-1]))))
        sizes = ", ".join(f"{out} × {into}" for out, into in shapes)
        cells = "".join(
            f"<td>{cell}</td>" for cell in (html.escape(name), len(found), spans, sizes)
        )
        return f"<tr>{cells}</tr>"

    @property
    def _said(self) -> str:
        """What it is, in one line; no factor is read for it."""
        names = list(self.modules)
        shown = ", ".join(names[:_NAMED]) + (
            f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        )
        left = (
            f"; {out} tensor{'s' * (out != 1)} left out (.left_out)"
            if (out := len(self.left_out))
            else ""
        )
        full = f"; {', '.join(self.dense)} trained in full (.dense)" if self.dense else ""
        base = f", base {self.base_model}" if self.base_model else ""
        return (
            f"{self.title} adapter {self.source}{base}; {shown}; "
            f"{self.trainable_parameters:,} parameters{full}{left}"
        )

    @property
    def from_w0(self) -> bool:
        """Whether A and B are made of W0 by a θ that all layers share, which alone makes layers alike."""
        return self.convention is not None

    def each_layer(self, modules: Collection[str] | None = None) -> Iterator[LayerFactors]:
        """Layer by layer of every module, or of those named, without torch where the file allows it."""
        of_one = getattr(self.modules, "layers_of", None)
        for name in self.modules if modules is None else modules:
            yield from of_one(name) if of_one else _unstacked(self.modules[name])

    @property
    def patterns(self) -> Mapping[str, str]:
        """Name to pattern of every module; none is read for it."""
        return _patterns(self.modules)

    @property
    def dense_patterns(self) -> Mapping[str, str]:
        """The same of the modules trained in full."""
        return _patterns(self.dense)

    @property
    def in_layers(self) -> tuple[str, ...]:
        """Names of the modules that are in numbered layers, which most questions compare."""
        return tuple(name for name, pattern in self.patterns.items() if is_numbered(pattern))


def _patterns(modules: Mapping[str, ModuleFactors]) -> Mapping[str, str]:
    known: Mapping[str, str] | None = getattr(modules, "patterns", None)
    if known is not None:
        return known
    return {name: factors.pattern for name, factors in modules.items()}


def _unstacked(factors: ModuleFactors) -> Iterator[LayerFactors]:
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


def _both(a: Either, b: Either) -> tuple[Either, Either]:
    return a, b
