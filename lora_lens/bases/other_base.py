"""An adapter beside another base than the one that it names, as far as names tell: shapes and architecture may be the same."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from ..adapter import Adapter
from ..errors import LensError
from ..files.hub_cache import is_commit, refs_of, snapshot_in
from ..files.hub_files import is_hub_id
from ..files.locate import base_path
from ..files.revisions import full_commit, may_be_commit, split_revision
from .live import IN_MEMORY
from .quantised.unquantised import unquantised
from .weights import BaseWeights

_CACHED = re.compile(
    r"(?:^|[/\\])models--(?P<name>\w[\w.-]*)(?:[/\\]?$|[/\\]snapshots[/\\](?P<commit>[\w.-]+))"
)
_IN_ITS_PLACE = "is taken in its place"


def beside(adapter: Adapter, base: object = None) -> Adapter:
    """The adapter, with a caveat where the base that it is read beside has surely another name than the one that it names.

    Names are hub ids, those of folders in the hub's cache too. Of other folders none is known: a copy may be called
    anything, and its ``_name_or_path`` is what the model was made from as often as what it is. A name without an owner is
    any owner's, and what quantising adds to a name, or a letter's case, is no other name; of a revision and a commit, or
    two, nothing is said where this machine cannot tell. What was said of a base before is said no more where that made nothing.

    Args:
        adapter: As it was read.
        base: Folder, hub id or what `open_base` made; None for that of a model in memory, or the adapter's own.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> beside(adapter, "all-MiniLM-L6-v2") is adapter
        True
        >>> beside(adapter, "sentence-transformers/all-MiniLM-L12-v2").caveats[0].partition(":")[0]  # doctest: +NORMALIZE_WHITESPACE
        'an adapter names sentence-transformers/all-MiniLM-L6-v2 as its base model, and
        sentence-transformers/all-MiniLM-L12-v2 is taken in its place'
    """
    origin = adapter.origin
    if base is None and not adapter.base_given:
        base = adapter.live
    of_itself = origin.base == adapter.source  # a model that was tuned in full
    if base is None or origin.base is None or of_itself:
        return adapter
    if any(_IN_ITS_PLACE in said for said in adapter.caveats) and not adapter.made_with_w0:
        adapter = _without(adapter)
    named, read = _hub_name(origin.base, origin.revision), _of_base(base)
    if named is None or read is None or (called := _told_apart(named, read)) is None:
        return adapter
    said = (
        f"an adapter names {called[0]} as its base model, and {called[1]} {_IN_ITS_PLACE}: unless both have the same "
        f"weights, as a copy has or, but for rounding, a quantised one, W0 is not what the adapter was trained on, nor is "
        f"anything that is made of W0, as conversions, shares and nulls are"
    )
    if said in adapter.caveats:
        return adapter
    return replace(adapter, caveats=(*adapter.caveats, said), notes=(*adapter.notes, said))


def _without(adapter: Adapter) -> Adapter:
    """As it was before anything was said here."""
    caveats, notes = (
        tuple(said for said in all_of_them if _IN_ITS_PLACE not in said)
        for all_of_them in (adapter.caveats, adapter.notes)
    )
    return replace(adapter, caveats=caveats, notes=notes)


# A hub id, and a revision where one is known.
_Name = tuple[str, str | None]


def _of_base(base: object) -> _Name | None:
    if isinstance(base, BaseWeights):
        return _hub_name(base.source.removesuffix(IN_MEMORY), base.commit)
    return _hub_name(os.fspath(base)) if isinstance(base, str | Path) else None


def _hub_name(base: str, revision: str | None = None) -> _Name | None:
    """Of a hub id, or of a folder or file in the hub's cache, this machine's or another's; None of any other."""
    if cached := _CACHED.search(str(snapshot_in(Path(base)))):
        return cached["name"].replace("--", "/"), cached["commit"]
    try:
        base, typed = split_revision(base)
        here = os.path.exists(base_path(base))  # noqa: PTH110  (a name that is too long is none, not an error)
    except LensError:
        return None
    return None if here or not is_hub_id(base) else (base, typed or revision)


def _told_apart(named: _Name, read: _Name) -> tuple[str, str] | None:
    """What both are called, where they differ."""
    (one, pinned), (other, at) = named, read
    if one.casefold() == other.casefold():
        differ = pinned and at and not _one_revision(one, pinned, at)
        return (f"{one}@{pinned}", f"{other}@{at}") if differ else None
    plain = [(unquantised(name, {}) or name).casefold() for name in (one, other)]
    if not all("/" in name for name in plain):
        plain = [name.rpartition("/")[2] for name in plain]
    return None if plain[0] == plain[1] else (one, other)


def _one_revision(base: str, *both: str) -> bool:
    """Whether two revisions of a repository are one, as far as its folder in the cache tells; so taken where it does not."""
    refs = refs_of(base)
    one, other = (refs.get(each) or full_commit(base, each) or each for each in both)
    if is_commit(one) == is_commit(other):
        return one == other
    name, commit = (other, one) if is_commit(one) else (one, other)
    return commit.startswith(name) or not may_be_commit(name)
