"""An adapter's files → `Adapter`, whatever their format."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..adapter import Adapter
from ..bases.fused import NAMES
from ..bases.other_base import beside
from ..errors import AdapterError
from ..files.locate import user_path
from ..files.names import no_layer
from ..ledger import reads
from ..plain_torch import in_plain_torch
from ..updates import FromW0, LowRank
from .adapter_files import AdapterFiles
from .conv1d import conv1d_of
from .factors.factor_pairs import check_not_scaled
from .factors.grouping import Group, group_by_module
from .factors.stacking import StackedModules, check, check_group
from .format import Checkpoint, format_of
from .live.layers import is_live
from .live.model import check_scales, live_files
from .opening import open_adapter, open_tuned
from .trained_in_full import trained_in_full
from .tuned_models import tuned_model

_MOST_NAMED = 6

# A model in memory; which libraries it is made by is not known here.
Model = Any


@in_plain_torch
def load_adapter(
    path: str | Path | Model, base: str | Path | None = None, *, name: str | None = None
) -> Adapter:
    """Read an adapter: LoRA, DoRA, AdaLoRA, CondLoRA, an image model's LoRA, and others, in any of the formats that are known.

    Args:
        path: Its folder, with ``adapter_config.json`` and ``adapter_model.safetensors`` (or
            ``.bin``); a folder that holds one such folder; the file itself; or a hub id,
            ``owner/name``, ``owner/name@revision`` or ``owner/name/FILE``, which is downloaded where it is not in the
            hub's cache. Or a model in memory with such an adapter: PEFT's, transformers' own, or one of
            ``lora_lens.training.condlora``. Or, where `base` is given, the folder or hub id of a whole model that was
            tuned in full from it, of which there is ΔW alone (`Adapter.dense`).
        base: Folder or hub id of the base model, ``owner/name`` or ``owner/name@revision``. By default
            the one that the adapter's configuration names, at the ``revision`` that it names, which
            is then looked for on this machine only: a hub id given here may be downloaded when it is
            needed. Of a model in memory, its own W0 by default.
        name: Of a model in memory with several adapters, which one; by default the active one.

    Returns:
        The adapter. Its numbers are checked now and read module by module when they are asked for:
        its file must stay as it is, and a model in memory gives the numbers that it has then. Only a CondLoRA adapter, whose A and B are made of W0, and some of
        PEFT's other methods need their base for this.

    Raises:
        AdapterError: No adapter there, or several, or one whose update is none that is known, or one
            that is merged into W0.
        BaseModelError: A CondLoRA adapter's base is not found or does not fit.
        FileFormatError: A file is truncated, corrupt or unsafe.

    Example:
        >>> from lora_lens import demo_adapter
        >>> adapter = load_adapter(demo_adapter("lora"))
        >>> adapter.method, adapter.base_model
        ('lora', 'sentence-transformers/all-MiniLM-L6-v2')
    """
    if is_live(path):
        files = live_files(path, base, name)
        found = format_of(files).read(files)
        check_scales(files, found)
        return beside(_adapter(files, found, low_rank(files, found)), base)
    if not isinstance(path, str | os.PathLike):
        several = "; several are given one after the other" * isinstance(path, list | tuple)
        raise AdapterError(
            f"the adapter is a {type(path).__name__}, expected a folder, a file, a hub id, or a model in memory with one{several}"
        )
    if path == "":
        raise AdapterError(
            "the adapter is an empty text, expected a folder, a file or a hub id; the current folder is '.'"
        )
    if base == "":
        raise AdapterError(
            "base is an empty text, expected a folder, a file or a hub id; None is the adapter's own"
        )
    path = path if isinstance(path, str) else Path(path)
    if name is not None:
        raise AdapterError(
            f"name is {name!r}, which is for a model in memory; an adapter's files are named by their folder"
        )
    try:
        return beside(_of_files(path, base), base)
    except AdapterError as error:
        # One of many may be meant, as of `matrix` and `dynamics`.
        raise (
            error
            if _is_named(str(user_path(path)), str(error))
            else type(error)(f"{path}: {error}")
        ) from None


def _of_files(path: str | Path, base: str | Path | None) -> Adapter:
    try:
        files = open_adapter(path, base)
        of = format_of(files)
    except AdapterError:
        tuned = None if base is None else open_tuned(path, base)
        if tuned is None:
            raise
        return _adapter(tuned, tuned_model(tuned), {})
    found = of.read(files)
    return _adapter(files, found, low_rank(files, found))


def _is_named(path: str, message: str) -> bool:
    """Whether a message names the adapter; not where a folder's name is but a word of it, or a part of one.

    Example:
        >>> [_is_named(path, f"{path} holds infinite values") for path in ("inf", "a/inf")]
        [True, True]
        >>> [_is_named(path, "B of a/informed holds infinite values") for path in ("inf", "B", "holds", "a/inf")]
        [False, False, False, False]
    """
    whole = rf"{re.escape(path)}(?![\w./\\-])"
    if len(Path(path).parts) > 1:
        return re.search(rf"(?<![\w./\\-]){whole}", message) is not None
    return re.match(rf"{whole}(?! of )", message) is not None


def adapter_of(given: Adapter | str | Path | Model, base: object = None) -> Adapter:
    """What a question is asked about, whatever it was given: an adapter as it is, else read by `load_adapter`.

    Args:
        given: An adapter, or what `load_adapter` takes.
        base: Of the question; where it names a base, it is the one to read with.
    """
    if isinstance(given, Adapter):
        reads(*given.read_from)
        return beside(given, base)
    return load_adapter(given, base if isinstance(base, (str, Path)) else None)


def low_rank(files: AdapterFiles, found: Checkpoint) -> dict[str, LowRank]:
    """Every update as factors A and B, checked; W0 is read where they are made of it.

    Raises:
        AdapterError: Factors do not fit each other or W0, are not finite floats, or are of fewer bits.
        BaseModelError: W0 is needed and not found.
    """
    base = None
    factors: dict[str, LowRank] = {}
    for path, update in found.updates.items():
        if isinstance(update, FromW0):
            base = base or files.open_base()
            read_at = path if update.stand_in is None else update.stand_in.path
            update = update.of(base.weight(read_at), path)  # noqa: PLW2901
        check(path, update)
        factors[path] = update
    used = (name for update in factors.values() for name in update.tensors)
    check_not_scaled(files.source, used, found.left_out)
    return factors


def _settings_of_base(files: AdapterFiles, paths: Iterable[str]) -> Mapping[str, Any] | None:
    """The base's configuration, where the adapter has a fused projection and the base is at hand.

    None too where it names no architecture.
    """
    if files.live is None and not any(path.rpartition(".")[2] in NAMES for path in paths):
        return None
    here = files.base_configuration()
    return here.settings if here and any(one.model_type for one in here.all()) else None


def _adapter(files: AdapterFiles, found: Checkpoint, updates: Mapping[str, LowRank]) -> Adapter:
    groups = group_by_module(
        updates, config=_settings_of_base(files, updates), split_c_attn=conv1d_of(files)
    )
    for group in groups:
        check_group(group)
    full = trained_in_full(files, found)
    dense = _apart(files, full.updates, {group.module for group in groups})
    caveats = (
        *found.caveats, *full.caveats, *_partly_said(groups, dense.values()),
        *_no_layers_said([*groups, *dense.values()]),
    )  # fmt: skip
    whole = {update.tensors[0] for update in full.updates.values()}
    left_out = {
        name: full.reasons.get(name, reason.why)
        for name, reason in found.left_out.items()
        if name not in whole
    } | dict.fromkeys(files.tensors.beside, "beside the weights, in a dictionary of its own")
    if not groups and not (files.whole_model and full.updates):
        if files.whole_model:
            unlike = [f"{name}: {why}" for name, why in full.reasons.items()]
            raise AdapterError(
                f"no matrix of {files.source} is one of {files.base_given}: it was not tuned from that "
                f"({'; '.join(unlike[:3]) or 'it has no matrix'})"
            )
        reasons = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:3])
        raise AdapterError(f"no module of the adapter can be analysed ({reasons or 'it has none'})")
    return Adapter(
        source=files.source,
        method=found.method,
        title=found.title,
        base_model=files.base_model or found.base,
        base_given=files.base_given is not None,
        revision=files.revision,
        modules=StackedModules({group.module: group for group in groups}),
        dense=StackedModules(dense),
        left_out=left_out,
        trainable_parameters=sum(math.prod(files.shape(name)) for name in whole)
        if files.whole_model
        else found.trainable_parameters,
        convention=found.convention,
        fan_in_fan_out=bool(files.config.get("fan_in_fan_out")),
        origin=replace(
            files.origin,
            base=files.origin.base or found.base,
            placement=found.placement,
            rounded=full.saved_in,
        ),
        live=files.live,
        notes=(*caveats, *found.notes, *full.notes),
        caveats=caveats,
        tensors=len(files.names) + len(files.tensors.beside),
        stand_ins=found.stand_ins,
        base_commit=files.open_base().commit if found.convention or files.whole_model else None,
        read_from=files.read_from,
    )


def _partly_said(groups: Iterable[Group], dense: Iterable[Group]) -> Iterator[str]:
    """A sentence for each module of which some layers have factors and others were trained in full."""
    patterns = {group.pattern: group.module for group in groups}
    for group in dense:
        if module := patterns.get(group.pattern):
            layers = ", ".join(str(member.layer) for member in group.members)
            yield (
                f"{module} was trained in full in layer{'s' * (len(group.members) > 1)} {layers}, which is no part of this; of ΔW "
                f"there ask with --module {group.module!r}"
            )


def _no_layers_said(groups: Iterable[Group]) -> Iterator[str]:
    """A sentence where names have what reads as a layer's number and is none, so that what they name stands by itself."""
    paths = (member.path for group in groups for member in group.members)
    if found := list(dict.fromkeys(part for path in paths if (part := no_layer(path)))):
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        yield (
            f"no layer's number stands in {', '.join(found[:_MOST_NAMED])}{more}, for one has the digits 0 to 9, no sign and no zero "
            f"before them: what has such a name is a module of its own, and in no layer"
        )


def _apart(
    files: AdapterFiles, updates: Mapping[str, LowRank], taken: Collection[str]
) -> dict[str, Group]:
    """Modules trained in full, by names that none with factors has; an adapter's whole, a model's by their roles."""
    whole = {"model_type": ""}
    config = _settings_of_base(files, updates) or whole if files.whole_model else whole
    groups = group_by_module(updates, config=config)
    return {
        group.pattern if group.module in taken else group.module: group
        if group.module not in taken
        else group._replace(module=group.pattern)
        for group in groups
    }
