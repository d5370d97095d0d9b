"""The nulls of φ between conversions, by name; the command line reads them, and no torch comes with them."""

from __future__ import annotations

from typing import Literal

NullName = Literal[
    "gaussian", "propagated", "mismatched", "initialisation", "equivalent", "flipped"
]
# Those whose draws have bases of their own.
DRAWN: tuple[NullName, ...] = ("propagated", "initialisation", "flipped")
WITHOUT_SVD: tuple[NullName, ...] = ("gaussian", "propagated", "mismatched", "initialisation")
NULLS: tuple[NullName, ...] = (*WITHOUT_SVD, "equivalent", "flipped")
THROUGH_W0: tuple[NullName, ...] = ("propagated", "mismatched", "initialisation", "flipped")
