"""An adapter's files → a repository of the hub, when it is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import OutputError, SettingsError
from ..files.hub_files import is_hub_id
from ..printable import first_line
from .folders import without_folders

_OF_LOGIN = (401, 403)  # statuses of HTTP: no such user, no such right
_MORE = "For more "  # how the lines begin by which the hub's client leads to pages
_MOST_SAID = 2


class Pushed(NamedTuple):
    """What was pushed.

    Attributes:
        commit: Its address.
        shortened: Names of the files that went without the folders of this machine.
        stays: Names of what else is in the folder.
    """

    commit: str
    shortened: tuple[str, ...]
    stays: tuple[str, ...]


def check_repository(name: str) -> None:
    """Refuse, before a run, a name that no repository can have.

    Raises:
        SettingsError: It is no ``owner/name`` or ``name``.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
        known = is_hub_id(name)
    except HFValidationError:
        known = False
    if not known:
        raise SettingsError(
            f"--push-to-hub {name!r} is no repository; expected owner/name, as my-name/my-adapter, without .. and --"
        )


def check_asked(name: str | None, *, private: bool) -> None:
    """Refuse, before a run, options of a push that make no sense: no repository, a private none, or nobody who pushes.

    Raises:
        SettingsError: `name` is no repository's, there is no token on this machine, or `private` is asked of no repository.
    """
    if name is not None:
        from huggingface_hub import get_token

        check_repository(name)
        if get_token() is None:
            raise SettingsError(
                "--push-to-hub needs a token of the hub, and there is none on this machine: log in by `hf auth login`, "
                "or set HF_TOKEN"
            )
    elif private:
        raise SettingsError("--private is for --push-to-hub, which is not given")


def push(
    folder: Path,
    name: str,
    *,
    files: Sequence[str],
    private: bool = False,
    again: str | None = None,
) -> Pushed:
    """Upload an adapter's files into a repository, which is made if it is not there.

    Args:
        folder: Of the adapter.
        name: Of the repository: ``owner/name``.
        files: Names of those to upload; what is not there is left out. Paths of this machine are shortened in them.
        private: Whether the repository is to be a private one.
        again: What pushes it after a failure, for the message; `by_hand` by default.

    Raises:
        OutputError: There is no token, no network or no such right, or the repository is a public one and was to be private;
            the message says the reason and what tries again. What is in the folder stays as it is.
    """
    try:
        return _upload(folder, name, [one for one in files if (folder / one).is_file()], private)
    except OutputError:
        raise
    except Exception as error:  # of the hub's client, of what it sends requests by, of the system
        login = "log in by `hf auth login`, and " if _is_of_login(error) else ""
        raise OutputError(
            f"{folder} is whole, but was not pushed to {name}: {_reason(error)}; {login}"
            f"push it by: {again or by_hand(folder, name, files=files, private=private)}"
        ) from None


def _upload(folder: Path, name: str, files: Sequence[str], private: bool) -> Pushed:
    from huggingface_hub import CommitOperationAdd, HfApi

    short = _shortened(folder, files)
    api = HfApi()
    made = api.create_repo(name, private=private or None, exist_ok=True)
    if private and not api.repo_info(made.repo_id).private:
        raise OutputError(
            f"{folder} is whole, but was not pushed to {name}: that is there already, and public, and --private makes only a new "
            f"one private; make it so on its page, choose another, or leave out --private"
        )
    done = api.create_commit(
        made.repo_id,
        [CommitOperationAdd(one, short.get(one, str(folder / one))) for one in files],
        commit_message="An adapter by lora-lens",
    )
    stays = {one.name for one in folder.iterdir()}.difference(files)
    return Pushed(str(done.commit_url), tuple(short), tuple(sorted(stays)))


def by_hand(folder: Path, name: str, *, files: Sequence[str], private: bool) -> str:
    """The hub's own command that pushes the same files; it shortens no paths in them, which is said where there are some."""
    which = _each("--include", files)
    command = ["hf", "upload", name, str(folder), ".", *which, *["--private"] * private]
    short = ", ".join(_shortened(folder, files))
    left = f" (which leaves the folders of this machine in {short})" if short else ""
    return f"{shlex.join(command)}{left}"


def _shortened(folder: Path, files: Sequence[str]) -> dict[str, bytes]:
    """Of the files that say where something lies on this machine, what they say without that."""
    paths = {name: folder / name for name in files if name.endswith(".json")}
    texts = {
        name: without_folders(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }
    return {name: text.encode() for name, text in texts.items() if text is not None}


def _each(option: str, patterns: Sequence[str]) -> list[str]:
    """Several patterns as the hub's command takes them: since its client's version 1 each behind an option of its own."""
    from huggingface_hub import __version__

    if int(__version__.split(".")[0]) < 1:  # of options that are given again, the last one counts
        return [option, *patterns]
    return [word for pattern in patterns for word in (option, pattern)]


def _is_of_login(error: Exception) -> bool:
    return getattr(getattr(error, "response", None), "status_code", None) in _OF_LOGIN


def _reason(error: Exception) -> str:
    r"""Its first line that says something, and what tells why: what the hub has answered, its next line, or its cause.

    Example:
        >>> _reason(ValueError("Invalid metadata in README.md.\n- license is none"))
        'Invalid metadata in README.md: license is none'
    """
    lines = [line.strip(" -") for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(_MORE)]
    answered = getattr(error, "server_message", None)
    if answered and not answered.startswith("<"):  # a page
        said[1:] = answered.splitlines()
    elif len(said) < _MOST_SAID and error.__cause__ is not None:
        said.append(first_line(error.__cause__))
    told = dict.fromkeys(line.rstrip(".:") for line in said[:_MOST_SAID])
    return ": ".join(told) or type(error).__name__
