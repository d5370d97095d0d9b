"""Which ``c_attn`` of an adapter is GPT-2's Conv1D: its base tells, where that is on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from ..errors import LensError
from .adapter_files import AdapterFiles

if TYPE_CHECKING:
    from ..bases.weights import BaseWeights


def conv1d_of(files: AdapterFiles) -> Callable[[str], bool]:
    """Whether the module at a path is Conv1D; what the adapter says of all its modules where no base is here.

    The base is looked for when the first path is asked about, and never downloaded for it.
    """

    @cache
    def base() -> BaseWeights | None:
        try:
            return files.open_base(download=False)
        except LensError:
            return None

    def found(path: str) -> bool:
        claimed = files.config.get("fan_in_fan_out") is not False
        here = base()
        if here is None:
            return claimed
        try:
            return here.is_conv1d(path)
        except LensError:
            return claimed

    return found
