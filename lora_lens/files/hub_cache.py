"""The hub's cache on this machine: which commits of a repository it holds, and what they are called."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

_MODELS = "models--"  # how the name of a repository's folder begins
_COMMIT = re.compile(r"[0-9a-f]{40}")


def cache_of(base: str) -> Path:
    """Its folder of a repository, which need not be there."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=base, repo_type="model")


def commits_of(base: str) -> list[str]:
    """Of which the cache holds something, by name."""
    snapshots = cache_of(base) / "snapshots"
    return sorted(path.name for path in snapshots.iterdir()) if snapshots.is_dir() else []


def refs_of(base: str) -> dict[str, str]:
    """Branch or tag to commit, of those commits that are there."""
    refs, commits = cache_of(base) / "refs", set(commits_of(base))
    found = {
        path.relative_to(refs).as_posix(): path.read_text(encoding="utf-8").strip()
        for path in refs.rglob("*")
        if path.is_file()
    }
    return {name: commit for name, commit in found.items() if commit in commits}


def is_in_cache(base: str, revision: str | None) -> bool:
    """Whether it holds any file of a repository's revision."""
    named = revision or "main"
    return refs_of(base).get(named, named) in commits_of(base)


def is_commit(revision: str | None) -> bool:
    """Whether it is the whole of a commit's hash, which no later push moves.

    Example:
        >>> is_commit("ab" * 20), is_commit("main"), is_commit(None)
        (True, False, False)
    """
    return revision is not None and bool(_COMMIT.fullmatch(revision))


def commit_of(path: Path) -> str | None:
    """The commit that a file or folder in the cache is of; None of one that lies elsewhere.

    Example:
        >>> commit_of(Path(f"models--owner--name/snapshots/{'ab' * 20}/part/config.json")) == "ab" * 20
        True
    """
    for one in (path, *path.parents):
        if one.parent.name == "snapshots" and is_commit(one.name):
            return one.name
    return None


def repository_of(path: Path) -> str | None:
    """The id of the repository whose cache a folder is, or lies in; None of one that lies elsewhere.

    Example:
        >>> repository_of(Path("hub/models--owner--name/snapshots/abc")), repository_of(Path("bases/name"))
        ('owner/name', None)
    """
    names = [one.name for one in (path, *path.parents) if one.name.startswith(_MODELS)]
    return names[0].removeprefix(_MODELS).replace("--", "/") if names else None


def snapshot_in(folder: Path) -> Path:
    """Of the cache's own folder of a repository, ``models--OWNER--NAME``, the files of its branch ``main``.

    Where that is not there, of the only commit that is; any other folder is what it is.

    Example:
        >>> snapshot_in(Path("runs/lora")).as_posix()
        'runs/lora'
    """
    snapshots = folder / "snapshots"
    if not folder.name.startswith(_MODELS) or not snapshots.is_dir():
        return folder
    there = {path.name: path for path in snapshots.iterdir() if _COMMIT.fullmatch(path.name)}
    with suppress(OSError, UnicodeDecodeError):
        main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        if main in there:
            return there[main]
    return next(iter(there.values())) if len(there) == 1 else folder
