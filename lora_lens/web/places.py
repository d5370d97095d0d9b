"""Which adapters and bases the page may open: folders where it is allowed, and hub ids."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import AdapterError
from ..files.hub_adapters import hub_id
from ..files.hub_files import is_hub_id, named_instead
from ..files.locate import user_path
from ..files.revisions import split_revision

_LOCAL = ("127.0.0.1", "localhost", "::1")


def is_local(host: str) -> bool:
    """Whether an address is this machine's own, which no other can reach."""
    return host in _LOCAL


@dataclass(frozen=True)
class Places:
    """What a visitor may name.

    Attributes:
        root: Folders in here may be; None for none.
        everywhere: Or all of them, on whatever drive.
    """

    root: Path | None
    everywhere: bool = False

    @classmethod
    def of(cls, host: str, root: Path | None) -> Places:
        """Every folder where only this machine's user can come; elsewhere those in `root`, if any."""
        if root is not None:
            return cls(root.resolve())
        return cls(None, everywhere=is_local(host))

    @property
    def folders(self) -> bool:
        """Whether there are any that may be named."""
        return self.everywhere or self.root is not None

    def adapter(self, typed: str) -> str:
        """A folder or a hub id, as it was typed.

        Raises:
            AdapterError: It is neither, or a folder that may not be opened.
        """
        return self._checked(typed, is_hub=hub_id(typed) is not None)

    def base(self, typed: str) -> str:
        """The same of a base model; a folder's name with a revision behind it is a folder's."""
        name, revision = split_revision(typed)
        if revision is not None and os.path.exists(user_path(name)):  # noqa: PTH110
            self.check(user_path(name))
        return self._checked(typed, is_hub=is_hub_id(name))

    def check(self, path: Path) -> None:
        """Nothing, where a folder or file of this machine may be opened.

        Raises:
            AdapterError: It may not.
        """
        if not self.everywhere and not (self.root and path.resolve().is_relative_to(self.root)):
            raise AdapterError(
                f"{path} is a folder of the machine that this page runs on, and is not open to it; upload "
                f"the adapter, or name a hub id"
            )

    def _checked(self, typed: str, *, is_hub: bool) -> str:
        path = user_path(typed)
        if "\0" in typed:
            raise AdapterError("that is neither a folder nor a hub id")
        if os.path.exists(path):  # noqa: PTH110  (a name that is too long is none, not an error)
            self.check(path)
            return str(path)
        if not is_hub:
            raise AdapterError(
                f"{typed} is neither a folder here nor a hub id, as owner/name{named_instead(typed)}"
            )
        return typed
