"""What is seen in an inventory."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.findings import Claim, Finding
from ...show.layout import counted
from .result import Inventory


def claims(_: Inventory) -> list[Claim]:
    """None: it describes."""
    return []


def summary(result: Inventory, _: Sequence[Finding]) -> str:
    """How much there is, and how much is left out. A description: nothing is tested."""
    modules = len({one.module for one in result.modules})
    ranks = sorted({one.rank for one in result.modules})
    rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
    count = len(result.left_out)
    of = "" if result.tensors is None else f" of {result.tensors}"
    full = f"; {counted(len(result.dense), 'module')} trained in full" if result.dense else ""
    left = f"; {count}{of} tensors {'is' if count == 1 else 'are'} left out" if count else ""
    matrices = "1 matrix" if len(result.modules) == 1 else f"{len(result.modules)} matrices"
    return (
        f"{result.method} of {rank} on {matrices} of {counted(modules, 'module')}, "
        f"{result.trainable_parameters:,} parameters{full}{left}."
    )
