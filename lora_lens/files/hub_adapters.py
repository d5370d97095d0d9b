"""Adapters on the hub: ``owner/name``, folders in it, a revision."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import AdapterError, BaseModelError
from .hub_files import HubFiles, is_hub_id
from .peft_names import CONFIG
from .revisions import full_commit, those_here

# owner/name, folders or a file within it, and a branch, tag or commit
_TYPED = re.compile(
    r"(?P<id>[^/@]+/[^/@]+)(?P<within>(/\w[\w.-]*)*)(@(?P<revision>[A-Za-z0-9][\w./-]*))?"
)


def hub_id(path: str | Path) -> HubAdapter | None:
    """The files of ``owner/name[/folder][@revision]`` on the hub; None where `path` is no such id.

    What begins with a folder of this machine is a path that leads nowhere, and no hub id. A configuration, or an
    index of parts, means its folder.
    """
    match = _TYPED.fullmatch(str(path))
    if match is None or not is_hub_id(match["id"]) or ".." in str(path):
        return None
    if os.path.isdir(match["id"].split("/")[0]):  # noqa: PTH112
        return None
    folder, _, file = match["within"].rpartition("/")
    within = folder if is_told_of(file) else match["within"]
    return HubAdapter(match["id"], within.strip("/"), match["revision"])


def is_told_of(file: str) -> bool:
    """Whether a file of that name tells of others beside it, and means their folder where it is named."""
    return file == CONFIG or file.endswith(".index.json")


@dataclass(frozen=True)
class HubAdapter:
    """Files of an adapter on the hub, by name; downloaded where they are not in the cache.

    The adapter was named by the user, who thereby allows it.
    """

    repository: str
    within: str
    revision: str | None

    @cached_property
    def _files(self) -> HubFiles:
        commit = full_commit(self.repository, self.revision)
        return HubFiles(self.repository, True, commit, "adapter")

    @property
    def unreached(self) -> list[str]:
        """As of `HubFiles`."""
        return self._files.unreached

    @property
    def name(self) -> str:
        """As it is typed."""
        at = f"@{self.revision}" if self.revision else ""
        return "/".join(filter(None, (self.repository, self.within))) + at

    def __call__(self, name: str) -> Path | None:
        """Path of the file, or None where there is none."""
        name = f"{self.within}/{name}" if self.within else name
        try:
            return self._files(name)
        except BaseModelError as error:
            raise AdapterError(f"{error}{those_here(self.repository)}") from None
