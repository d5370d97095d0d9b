"""Weights that a base's files have in fewer bits: told by their names, and made floats by the library that packed them.

A scheme is a file. What none can make floats of is refused by name, and never taken for W0.
"""

from . import bitsandbytes, compressed, float8, packed
from .store import Scheme, without_quantisation

__all__ = ["SCHEMES", "Scheme", "without_quantisation"]

# No tensor is of two: each looks at names that the others do not write.
SCHEMES: tuple[Scheme, ...] = (
    bitsandbytes.FOUR_BITS,
    bitsandbytes.EIGHT_BITS,
    compressed.SCHEME,
    float8.SCHEME,
    packed.SCHEME,
)
