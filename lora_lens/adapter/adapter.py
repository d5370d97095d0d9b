"""An adapter, once read: its factors by module, and all that its files say beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .factors import LayerFactors, ModuleFactors, is_numbered, unstacked
from .origin import Origin
from .shown import line, table

if TYPE_CHECKING:
    from ..files.mapped import Version
    from ..sources import Source, StandIn


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
            magnitudes are not counted, nor heads trained in full, which are in `left_out`. Of a model that was tuned in full, those
            in `dense`.
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
        dense: Module trained in full (PEFT's ``modules_to_save``; all of a model that was tuned in full, which has no
            `modules`) to its ΔW, which is what was saved less W0, where the base is on this machine: ``b @ a`` of factors of
            which one is the identity.
            Matrices are (out, in), embeddings (tokens, width).
        read_from: Its configuration and its weights, each as it was when it was opened; nothing of a model in memory.
        stand_ins: Path of each module to what A and B are made of in the place of its W0, of CondLoRA that was trained so.
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
    read_from: Mapping[Path, Version] = field(default_factory=dict)
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Adapter: {line(self)}>"

    def _repr_html_(self) -> str:
        return table(self)

    @property
    def from_w0(self) -> bool:
        """Whether A and B are made of W0 by a θ that all layers share, which alone makes layers alike."""
        return self.convention is not None

    @property
    def made_of(self) -> Source | None:
        """What A and B are made of: the layers' own W0, or a control in its place; None of LoRA, whose are trained."""
        if not self.from_w0:
            return None
        return next((one.source for one in self.stand_ins.values()), "w0")

    @property
    def made_with_w0(self) -> bool:
        """Whether any of its numbers, A and B or ΔW, are made with W0, which is then the one that it was read beside."""
        return self.from_w0 or bool(self.dense) or any(one.rescaled for one in self.each_layer())

    def each_layer(self, modules: Collection[str] | None = None) -> Iterator[LayerFactors]:
        """Layer by layer of every module, or of those named, without torch where the file allows it."""
        of_one = getattr(self.modules, "layers_of", None)
        for name in self.modules if modules is None else modules:
            yield from of_one(name) if of_one else unstacked(self.modules[name])

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
