"""The nulls of φ between conversions, by name; the command line reads them, and no torch comes with them."""

from __future__ import annotations

from typing import Literal

NullName = Literal["gaussian", "propagated", "mismatched", "initialisation", "equivalent"]
# Their places seed their draws: another one stands at the end.
DRAWN: tuple[NullName, ...] = (
    "propagated",
    "initialisation",
)  # whose draws have bases of their own
THROUGH_W0: tuple[NullName, ...] = ("propagated", "mismatched", "initialisation")
SAMPLED: tuple[NullName, ...] = ("gaussian", *THROUGH_W0)
NULLS: tuple[NullName, ...] = (*SAMPLED, "equivalent")
