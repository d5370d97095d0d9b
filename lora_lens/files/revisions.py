"""Which commit of a hub repository is meant, and which ones the hub's cache on this machine holds."""

from __future__ import annotations

import re
from pathlib import Path

from .hub_cache import commit_of, commits_of, refs_of
from .hub_files import is_hub_id
from .locate import DEMO_BASE, DEMO_PACKAGE, local_folder

DEMO_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"  # upstream's, of the extra `demo`
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_SHORT = 12
_MOST_NAMED = 6


def split_revision(base: str) -> tuple[str, str | None]:
    """A base as typed → folder or hub id, and the revision after its ``@``.

    A folder of that whole name comes first.

    Example:
        >>> split_revision("google/vit@v1"), split_revision("google/vit")
        (('google/vit', 'v1'), ('google/vit', None))
    """
    name, at, revision = base.partition("@")
    typed = at and is_hub_id(name) and _REVISION.fullmatch(revision) and ".." not in revision
    if not typed or local_folder(base) is not None:
        return base, None
    return name, revision


def with_revision(base: str | None, revision: str | None) -> str | None:
    """A base as results call it: ``id@revision`` where one is asked for; a folder has none."""
    if base is None or revision is None or not is_hub_id(base) or folder_of(base, revision):
        return base
    return f"{base}@{revision}"


def folder_of(base: str, revision: str | None) -> Path | None:
    """The folder of a base on this machine; the extra `demo` has one revision, and no other is read there."""
    folder = local_folder(base)
    others = base == DEMO_BASE and folder != Path(base) and not is_demo_revision(revision)
    return None if others else folder


def is_demo_revision(revision: str | None) -> bool:
    """Whether the extra `demo` holds a revision of its model."""
    return revision in (None, "main") or (
        may_be_commit(revision) and DEMO_REVISION.startswith(revision)
    )


def commit_in(path: Path) -> str | None:
    """The commit that a file or folder is of: in the hub's cache, or in the package of the extra `demo`.

    Example:
        >>> commit_in(Path(f"models--owner--name/snapshots/{DEMO_REVISION}/config.json")) == DEMO_REVISION
        True
    """
    if commit := commit_of(path):
        return commit
    return DEMO_REVISION if DEMO_PACKAGE in path.parts and local_folder(DEMO_BASE) else None


def may_be_commit(revision: str) -> bool:
    """Whether it reads as a commit's hash, the whole or its beginning.

    Example:
        >>> may_be_commit("1110a24"), may_be_commit("step1000")
        (True, False)
    """
    return bool(_SHORT_COMMIT.fullmatch(revision))


def full_commit(base: str, revision: str | None) -> str | None:
    """A revision as huggingface_hub takes it: the whole of a commit's hash that was cut short."""
    if revision is None or not may_be_commit(revision) or revision in refs_of(base):
        return revision
    found = [commit for commit in commits_of(base) if commit.startswith(revision)]
    return found[0] if len(found) == 1 else revision


def revisions_here(base: str) -> str:
    """The revisions of a hub repository that are on this machine, in words; empty where there is none."""
    refs = refs_of(base)
    named = [f"{name} ({commit[:_SHORT]})" for name, commit in sorted(refs.items())]
    bare = [commit[:_SHORT] for commit in commits_of(base) if commit not in refs.values()]
    if base == DEMO_BASE and local_folder(base) is not None:
        bare.append(f"{DEMO_REVISION[:_SHORT]} (of the extra demo)")
    found = [*named, *bare]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def those_here(base: str) -> str:
    """`revisions_here`, as the rest of a sentence on one that is not."""
    here = revisions_here(base)
    return f"; on this machine is {here}" if here else ""
