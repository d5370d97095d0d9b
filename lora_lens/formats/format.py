"""A format: how the files of one kind of adapter are told apart from others, and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..adapter import Placement
from ..sources import StandIn
from ..updates import Convention, Factor, LowRank, Update
from .adapter_files import AdapterFiles
from .factors.beside_factors import check_nothing_beside
from .factors.dora import DORA, DORA_BY_COLUMN
from .left_out import LeftOut, as_left_out

# How a sentence about an s of 0 goes on that begins with what says so.
ZERO_FOR = "for {of}, and so is their s·B·A: with that nothing is trained. Where it was trained with another, put that there"
_ZERO = f"α is 0 in adapter_config.json {ZERO_FOR}"


@dataclass(frozen=True)
class Checkpoint:
    """What an adapter's files hold, layer by layer, whatever their format.

    Attributes:
        method: As results name it: ``lora``.
        title: As sentences do: ``LoRA``.
        updates: Path of each module in the base model to what is done to its W0.
        left_out: Every tensor that no update is made of, with the reason.
        trainable_parameters: Numbers in the low-rank part; what layers share is counted once.
        convention: How A is made from W0, where A and B are.
        settings: Its configuration as PEFT's LoRA knows it; empty where it has none in those terms.
        notes: How it was read, where there was a choice: a sentence each.
        placement: Where the base has W0 of modules that are not where their paths say.
        caveats: What whoever asks about its factors has to be told: a sentence each.
        base: Hub id of the base, where files beside it name one that are not PEFT's configuration.
        stand_ins: Path of each module to what stands for W0 where A and B are made of something else.
    """

    method: str
    title: str
    updates: Mapping[str, Update]
    left_out: Mapping[str, LeftOut]
    trainable_parameters: int
    convention: Convention | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    placement: Placement = field(default_factory=Placement)
    caveats: tuple[str, ...] = ()
    base: str | None = None
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)


def of_factors(
    files: AdapterFiles,
    updates: Mapping[str, LowRank],
    *,
    why: str | Callable[[str], str | LeftOut],
    method: str | None = None,
    title: str | None = None,
    left_out: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
    placement: Placement | None = None,
    caveats: tuple[str, ...] = (),
    zero: str = _ZERO,
) -> Checkpoint:
    """The checkpoint of a format whose layers have factors of their own: what is not used is left out.

    Args:
        files: Of the adapter.
        updates: Path of each module to its factors.
        why: The reason for a tensor that no update is made of; one for all of them, or by its name.
        method, title: As in `Checkpoint`; by default those of LoRA, or of DoRA where a layer has a magnitude.
        settings, notes, placement: As in `Checkpoint`.
        caveats: As there, after those of DoRA.
        zero: The last of them where s is 0, with ``{of}`` for how many matrices that is true of.
        left_out: Tensors whose reason is known already.

    Raises:
        AdapterError: A tensor beside a layer's factors may be a part of its ΔW.
    """
    known = {name: LeftOut(reason) for name, reason in (left_out or {}).items()}
    used = {name for update in updates.values() for name in update.tensors}
    names = sorted(files.names - used - known.keys())
    rest = {name: as_left_out(why if isinstance(why, str) else why(name)) for name in names}
    check_nothing_beside(files, updates.values(), names)
    rescaled = [update for update in updates.values() if update.magnitude]
    norms = {update.magnitude.name for update in rescaled if update.magnitude}
    shapes = [files.shape(name) for name in used - norms]
    # What is no matrix, a tensor of α, was not trained.
    numbers = sum(math.prod(shape) for shape in shapes if len(shape) > 1)
    axes = sorted({update.by_column for update in rescaled})
    return Checkpoint(
        method or ("dora" if rescaled else "lora"),
        title or ("DoRA" if rescaled else "LoRA"),
        updates,
        {**known, **rest},
        numbers,
        settings=settings or {},
        notes=notes,
        placement=placement or Placement(),
        caveats=(
            *(DORA_BY_COLUMN if by_column else DORA for by_column in axes),
            *caveats,
            *_zero_said(zero, updates.values()),
        ),
    )


def _zero_said(zero: str, updates: Collection[LowRank]) -> Iterator[str]:
    if found := sum(update.scaling == 0 for update in updates):
        yield zero.format(of=f"{found} of {len(updates)} matrices")


@dataclass(frozen=True)
class Thetas:
    """What an adapter's layers share, for whoever puts it onto a model as it was trained.

    Attributes:
        modules: Target module, as the file calls it, to θ_A and θ_B.
        layers: Target module to the paths of its layers; None where the file does not say.
        convention: How A is made of θ_A and W0.
        others: Names of the tensors that were trained beside θ.
        stand_ins: As in `Checkpoint`.
    """

    modules: Mapping[str, tuple[Factor, Factor]]
    layers: Mapping[str, list[str]] | None
    convention: Convention
    others: tuple[str, ...]
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """One format. A file of this folder makes one and calls it ``FORMAT``.

    Attributes:
        name: Of that file.
        title: What people call the format.
        matches: Whether files are of it. It looks at the tensors' names, for several formats may bear
            one name in their configurations; no files are of two formats.
        read: Reads them. It raises AdapterError where the numbers would be misread.
        cannot: What an adapter of this format may hold that is refused or left out.
        stems: What its files of tensors are called, without their endings.
        thetas: What its layers share; None where each has factors of its own.
    """

    name: str
    title: str
    matches: Callable[[AdapterFiles], bool]
    read: Callable[[AdapterFiles], Checkpoint]
    cannot: str
    stems: tuple[str, ...] = ("adapter_model",)
    thetas: Callable[[AdapterFiles], Thetas] | None = None


def format_of(files: AdapterFiles) -> Format:
    """The format that an adapter's files are of.

    Raises:
        lora_lens.errors.AdapterError: None that is known; the message says what there is.
    """
    from . import FORMATS
    from .unknown import unknown

    found = next((each for each in FORMATS if each.matches(files)), None)
    if found is None:
        raise unknown(files, [each.title for each in FORMATS])
    return found
