"""What a trained adapter is, once read: named low-rank factors by module and layer, and where they come from."""

from typing import TYPE_CHECKING, Any

from ..moved import moved_name
from .adapter import Adapter
from .factors import LayerFactors, ModuleFactors, is_numbered
from .fused_rows import FusedRows
from .origin import Origin, Placement

__all__ = [
    "Adapter",
    "FusedRows",
    "LayerFactors",
    "ModuleFactors",
    "Origin",
    "Placement",
    "is_numbered",
]


if not TYPE_CHECKING:  # which would take any misspelt name for Any

    def __getattr__(name: str) -> Any:
        """`FusedRows` under the name that it had here."""
        return moved_name(__name__, name)
