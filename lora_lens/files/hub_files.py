"""Files of a repository of the hub, by name: from its cache, or from the network where that is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from ..errors import BaseModelError
from ..printable import first_line
from .hub_cache import cache_of, commit_of, commits_of, is_commit, is_in_cache

_HUB_ID = re.compile(r"(\b[\w.-]{1,96}\b/)?\b[\w.-]{1,96}\b", re.ASCII)
# Of a page of the hub; pathlib makes one slash of two.
_ADDRESS = re.compile(
    r"https?:/+(www\.)?(huggingface\.co|hf\.co)/(?!datasets/|spaces/)(?P<id>[^/?#]+/[^/?#]+)"
    r"(/(tree|blob|resolve)/(?P<revision>[^/?#]+)(?P<within>(/[^/?#]+)*))?/?([?#].*)?"
)


def is_hub_id(base: str) -> bool:
    """Whether `base` has the form of a hub id, ``name`` or ``owner/name``, as huggingface_hub has it.

    Example:
        >>> is_hub_id("bert"), is_hub_id("_owner/_bert"), is_hub_id("models--owner--bert")
        (True, True, False)
    """
    refused = "--" in base or ".." in base or base.endswith(".git")
    return bool(_HUB_ID.fullmatch(base)) and not refused


def named_instead(typed: str | Path, *, whole: bool = False) -> str:
    """How a repository is named of which the page's address was typed, as the rest of a sentence; empty of anything else.

    Args:
        typed: What was.
        whole: Whether a folder or a file in it has no name, as of a base.

    Example:
        >>> named_instead("https://huggingface.co/some/a/tree/v1/best"), named_instead("runs/a")
        ('; name it some/a/best@v1', '')
    """
    match = _ADDRESS.fullmatch(str(typed))
    if match is None:
        return ""
    within = "" if whole else match["within"] or ""
    revision = unquote(match["revision"] or "main")
    return f"; name it {match['id']}{within}" + ("" if revision == "main" else f"@{revision}")


@dataclass(frozen=True)
class HubFiles:
    """Files of a hub repository, by name: from the cache or, only if `download`, from the network.

    All of one commit: that of the first file that is found. The branch may move on from one look-up to the next, and
    the cache may hold some files of where it was.

    Attributes:
        unreached: Names that are not in the cache, where other files are, and that the hub could not be asked for.
    """

    base: str
    download: bool
    revision: str | None = None
    what: str = "base model"
    unreached: list[str] = field(default_factory=list, init=False, compare=False)
    _commit: list[str] = field(default_factory=list, init=False, compare=False, repr=False)

    def __call__(self, name: str) -> Path | None:
        """Path of the file, or None where there is none."""
        try:
            found = hub_file(
                self.base,
                name,
                download=self.download,
                revision=self._commit[0] if self._commit else self.revision,
                what=self.what,
                unreached=self.unreached.append,
            )
        except BaseModelError as error:
            from huggingface_hub.errors import RevisionNotFoundError

            if not (self._commit and isinstance(error.__cause__, RevisionNotFoundError)):
                raise
            raise BaseModelError(
                f"of {self.what} {self.base!r} the hub's cache has a part, of the commit {self._commit[0][:12]}, which the hub "
                f"has no more; remove {cache_of(self.base)} and ask again"
            ) from error
        if found is not None and not self._commit and (commit := commit_of(found)):
            self._commit.append(commit)
        return found


def hub_file(
    base: str,
    name: str,
    *,
    download: bool,
    revision: str | None = None,
    what: str = "base model",
    unreached: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """One file of a hub repository, from the cache or, only if `download`, from the network.

    `what` it is of, for messages. `unreached` is told of a name that the hub could not be asked for, though the cache
    has other files of the repository.

    Returns None where the repository has no such file (or, without `download` or a network, the cache has not).

    Raises:
        BaseModelError: The hub could not be asked, or refused.
    """
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(base, name, revision=revision)
    except ValueError as error:  # its own check of what may be an id
        raise BaseModelError(f"{what} {base!r} is neither a folder nor a hub id: {error}") from None
    if cached is _CACHED_NO_EXIST and (not download or is_commit(revision)):
        return None  # the hub has said so of that commit; where a branch is now it may have it
    if isinstance(cached, str) and Path(cached).is_file():  # not a folder of the file's name
        return Path(cached)
    return _downloaded(base, name, revision, what, unreached) if download else None


def _downloaded(
    base: str, name: str, revision: str | None, what: str, unreached: Callable[[str], None]
) -> Path | None:
    """One file from the network; see `hub_file`."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        found = Path(hf_hub_download(base, name, revision=revision))
        return found if found.is_file() else None
    except LocalEntryNotFoundError as error:
        if is_in_cache(base, revision):  # others of its files are, as shards or a .bin
            unreached(name)
            return None
        lacking = (
            f"is not in the hub's cache at revision {revision or 'main'},"
            if revision or commits_of(base)
            else "is not a folder, not in the hub's cache,"
        )
        raise BaseModelError(
            f"{what} {base!r} {lacking} and the hub could not be reached; pass {'a folder' if what == 'adapter' else '--base with a folder'}, or download "
            f"it where there is a network"
        ) from error
    except EntryNotFoundError:
        return None
    except RevisionNotFoundError as error:
        raise BaseModelError(f"{what} {base!r} has no revision {revision!r} on the hub") from error
    except GatedRepoError as error:
        raise BaseModelError(
            f"{what} {base!r} is gated on the hub: ask for access on its page there, and log in by `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise BaseModelError(
            f"{what} {base!r} is not a folder, and the hub has no repository of that name, or a private one: check the "
            f"name, or log in by `hf auth login`"
        ) from error
    except Exception as error:  # huggingface_hub raises many kinds; each ends the look-up alike
        raise BaseModelError(
            f"{what} {base!r} is not a folder, and cannot be had from the hub: {first_line(error)}"
        ) from error
