"""What a trained adapter is, once read: named low-rank factors by module and layer, and where they come from."""

from .adapter import Adapter
from .factors import LayerFactors, ModuleFactors, is_numbered
from .origin import Origin, Placement
from .part import Part

__all__ = [
    "Adapter",
    "LayerFactors",
    "ModuleFactors",
    "Origin",
    "Part",
    "Placement",
    "is_numbered",
]
