"""An adapter's folder → a repository of the hub, when it is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..errors import OutputError, SettingsError
from ..files.hub_files import is_hub_id
from ..files.run_names import CHECKPOINTS, UNFINISHED
from ..staging import PREFIX

# What a run needs to go on, and what was being written when something stopped it.
_STAYS = [f"{CHECKPOINTS}/*", UNFINISHED, f"{PREFIX}*"]


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
    """Refuse, before a run, options of a push that make no sense: no repository, or a private none.

    Raises:
        SettingsError: `name` is no repository's, or `private` is asked of none.
    """
    if name is not None:
        check_repository(name)
    elif private:
        raise SettingsError("--private is for --push-to-hub, which is not given")


def push(
    folder: Path, name: str, *, private: bool = False, only: Sequence[str] | None = None
) -> str:
    """Upload an adapter's folder into a repository, which is made if it is not there; the commit's address.

    Args:
        folder: Of the adapter.
        name: Of the repository: ``owner/name``.
        private: Whether it is, if it is made now.
        only: Names of the files to upload; by default all but what a run alone needs.

    Raises:
        OutputError: There is no token, no network or no such right; the message says the reason and the command
            that tries again. What is in the folder stays as it is.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        made = api.create_repo(name, private=private or None, exist_ok=True)
        done = api.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            commit_message="An adapter by lora-lens",
            allow_patterns=None if only is None else list(only),
            ignore_patterns=_STAYS,
        )
    except Exception as error:  # of the hub's client, of what it sends requests by, of the system
        which = _each("--exclude", _STAYS) if only is None else _each("--include", only)
        again = ["hf", "upload", name, str(folder), ".", *which]
        again += ["--private"] if private else []
        raise OutputError(
            f"{folder} is whole, but was not pushed to {name}: {_reason(error)}; log in by `hf auth login` "
            f"if need be, and push it by: {shlex.join(again)}"
        ) from None
    return str(done.commit_url)


def _each(option: str, patterns: Sequence[str]) -> list[str]:
    """Several patterns as the hub's command takes them: since its client's version 1 each behind an option of its own."""
    from huggingface_hub import __version__

    if int(__version__.split(".")[0]) < 1:  # of options that are given again, the last one counts
        return [option, *patterns]
    return [word for pattern in patterns for word in (option, pattern)]


def _reason(error: Exception) -> str:
    """Its first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
