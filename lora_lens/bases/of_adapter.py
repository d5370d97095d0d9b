"""The base of an adapter: the one that was given or that it names, opened, and checked to be of its architecture."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ..adapter import Adapter, Origin
from ..errors import BaseModelError, LensError
from ..files.locate import base_path, local_folder
from ..files.revisions import split_revision
from .kinship import check_kinship
from .opening import configuration_here, name_of, open_base
from .weights import BaseWeights


def open_base_of(adapter: Adapter, base: BaseWeights | str | Path | None = None) -> BaseWeights:
    """The base of an adapter: the one given here, or else the one it was loaded with, opened.

    A base that only the adapter's own configuration names is never downloaded.

    Raises:
        BaseModelError: None is named, or it is not found, or it is of another architecture.
    """
    origin, claimed = adapter.origin, adapter.fan_in_fan_out
    if isinstance(base, BaseWeights):
        claimed = claimed or base.fan_in_fan_out
        return _of_its_kin(replace(base, fan_in_fan_out=claimed), origin, given=True)
    if base is None and adapter.live is not None and not adapter.base_given:
        found: BaseWeights = adapter.live
        return found
    given = adapter.base_given
    named, revision = adapter.base_model, adapter.revision
    if base is not None:
        given, (named, typed) = True, split_revision(name_of(base))
        revision = typed or (revision if named == adapter.base_model else None)
    if not named:
        raise BaseModelError(
            f"{adapter.source} does not name its base model; pass --base with a folder or a hub id"
        )
    return open_base_for(
        origin, named, revision=revision, given=given, download=given, fan_in_fan_out=claimed
    )


def open_if_here(
    adapter: Adapter,
    wanted: bool | None,
    base: BaseWeights | str | Path | None = None,
    *,
    without: str,
) -> tuple[BaseWeights | None, list[str]]:
    """The base of an adapter where it is on this machine and not refused, and notes for the reader.

    Args:
        adapter: Whose.
        wanted: Whether to have it; None for where it can be had.
        base: As `open_base_of`.
        without: What is to be said where it is not there.

    Raises:
        BaseModelError: It was asked for, and is not found or does not fit.
    """
    if wanted is False:
        return None, []
    try:
        opened = open_base_of(adapter, base)
        return opened, list(opened.notes)
    except BaseModelError as error:
        if wanted or base or adapter.base_given:
            raise
        return None, [f"{without}: {error}"]


def open_base_for(
    origin: Origin,
    base: str,
    *,
    revision: str | None,
    given: bool,
    download: bool,
    fan_in_fan_out: bool,
) -> BaseWeights:
    """Open a base for an adapter of this origin; `given` if the caller and not the adapter named it.

    Raises:
        BaseModelError: It is not found, or of another architecture.
    """
    opened = open_base(base, download=download, fan_in_fan_out=fan_in_fan_out, revision=revision)
    notes = opened.notes
    if revision not in (None, "main") and opened.source == base:
        notes += (
            f"the adapter was trained on revision {revision} of its base model; {base} is a folder, "
            f"of which no revision is known",
        )
    return _of_its_kin(replace(opened, notes=notes), origin, given=given)


def _of_its_kin(opened: BaseWeights, origin: Origin, *, given: bool) -> BaseWeights:
    """The base, checked to be of the adapter's architecture, with a note where that cannot be known."""
    own = split_revision(origin.base)[0] if origin.base else None
    itself = split_revision(opened.source)[0] == own
    opened = replace(
        opened,
        placement=origin.placement,
        rounded=origin.rounded,
        model_class=origin.model_class,
        named=itself or _is_one_folder(opened.source, own),
    )
    named = None if own is None or itself else configuration_here(own)
    known, doubt = check_kinship(
        origin,
        named,
        opened.source,
        opened.configuration,
        {name.partition(".")[0] for name in opened.tensors.files},
        by_itself=itself and local_folder(opened.source) is None,
    )
    if known or (doubt is None and (itself or not given)):
        return opened
    unknown = f"whether {opened.source} is of the architecture that the adapter was trained on is not known"
    note = doubt or f"{unknown}; names and sizes are all that was checked"
    return replace(opened, notes=(*opened.notes, note))


def _is_one_folder(one: str, other: str | None) -> bool:
    """However it is spelt; not where `checking` refuses one of them."""
    if other is None:
        return False
    try:
        here, there = base_path(split_revision(one)[0]), base_path(other)
    except LensError:
        return False
    return os.path.isdir(here) and os.path.isdir(there) and here.samefile(there)  # noqa: PTH112  (a name that is too long is no folder, not an error)
