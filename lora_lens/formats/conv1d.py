"""Which ``c_attn`` of an adapter is GPT-2's Conv1D: its base tells, where that is on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..errors import LensError
from .adapter_files import AdapterFiles


def conv1d_of(files: AdapterFiles) -> Callable[[str], bool]:
    """Whether the module at a path is Conv1D; what the adapter says of all its modules where no base is here.

    The base is looked for when the first path is asked about, and never downloaded for it. Its
    configuration alone is read if that tells.
    """

    @cache
    def found(path: str) -> bool:
        told = told_conv1d(files, path)
        return told if told is not None else files.config.get("fan_in_fan_out") is not False

    return found


def told_conv1d(files: AdapterFiles, path: str, *, download: bool = False) -> bool | None:
    """Whether the module at a path is Conv1D, as its base tells; None where that is not here, or does not.

    Args:
        files: Of the adapter.
        path: Of the module.
        download: Whether the base's configuration may be.
    """
    told = None if files.live is not None else _by_configuration(files, path, download)
    return _by_weights(files, path) if told is None else told


def _by_configuration(files: AdapterFiles, path: str, download: bool) -> bool | None:
    from ..bases.orientation import by_architecture

    here = files.base_configuration(download=download)
    return by_architecture(f"{path}.weight", here) if here else None


def _by_weights(files: AdapterFiles, path: str) -> bool | None:
    try:
        base = files.live if files.live is not None else files.open_base(download=False)
        return base.is_conv1d(path)
    except LensError:
        return None
