"""Adapters on the hub: ``owner/name``, folders in it, a revision."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import AdapterError, BaseModelError
from .hub_files import HubFiles
from .revisions import full_commit

# owner/name, folders or a file within it, and a branch, tag or commit
_HUB_ID = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?P<within>(/[A-Za-z0-9][\w.-]*)*)"
    r"(@(?P<revision>[A-Za-z0-9][\w./-]*))?"
)


def hub_id(path: str | Path) -> HubAdapter | None:
    """The files of ``owner/name[/folder][@revision]`` on the hub; None where `path` is no such id.

    What begins with a folder of this machine is a path that leads nowhere, and no hub id.
    """
    match = _HUB_ID.fullmatch(str(path))
    if match is None or ".." in str(path) or os.path.isdir(match["id"].split("/")[0]):  # noqa: PTH112
        return None
    return HubAdapter(match["id"], match["within"].strip("/"), match["revision"])


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

    def __call__(self, name: str) -> Path | None:
        """Path of the file, or None where there is none."""
        name = f"{self.within}/{name}" if self.within else name
        try:
            return self._files(name)
        except BaseModelError as error:
            raise AdapterError(str(error)) from None
