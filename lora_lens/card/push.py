"""An adapter's folder → a repository of the hub, when it is asked for."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..errors import OutputError, SettingsError
from ..files.locate import is_hub_id

# What a run needs to go on, and what was being written when something stopped it.
_STAYS = ["checkpoints/*", "unfinished.json", ".lora-lens-*"]


def check_repository(name: str) -> None:
    """Refuse, before a run, a name that no repository can have.

    Raises:
        SettingsError: It is no ``owner/name`` or ``name``.
    """
    if not is_hub_id(name):
        raise SettingsError(
            f"--push-to-hub {name!r} is no repository; expected owner/name, as my-name/my-adapter"
        )


def push(folder: Path, name: str, *, private: bool = False) -> str:
    """Upload an adapter's folder into a repository, which is made if it is not there; the commit's address.

    Args:
        folder: Of the adapter.
        name: Of the repository: ``owner/name``.
        private: Whether it is, if it is made now.

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
            ignore_patterns=_STAYS,
        )
    except Exception as error:  # of the hub's client, of what it sends requests by, of the system
        again = ["hf", "upload", name, str(folder), ".", "--exclude", *_STAYS]
        again += ["--private"] if private else []
        raise OutputError(
            f"{folder} is whole, but was not pushed to {name}: {_reason(error)}; log in by `hf auth login` "
            f"if need be, and push it by: {shlex.join(again)}"
        ) from None
    return str(done.commit_url)


def _reason(error: Exception) -> str:
    """Its first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
