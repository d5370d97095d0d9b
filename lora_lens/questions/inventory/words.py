"""What is seen in an inventory."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.findings import Claim, Finding
from .result import Inventory


def claims(_: Inventory) -> list[Claim]:
    """None: it describes."""
    return []


def summary(result: Inventory, _: Sequence[Finding]) -> str:
    """How much there is, and how much is left out. A description: nothing is tested."""
    modules = len({one.module for one in result.modules})
    ranks = sorted({one.rank for one in result.modules})
    rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
    left = f"; {len(result.left_out)} tensors are left out" if result.left_out else ""
    return (
        f"{result.method} of {rank} on {len(result.modules)} layers of {modules} "
        f"module{'' if modules == 1 else 's'}, {result.trainable_parameters:,} parameters{left}."
    )
