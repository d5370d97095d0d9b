"""What is seen in an inventory."""

from __future__ import annotations

from ...several import counted
from .result import Inventory

_HEADS = ("classifier", "score", "pre_classifier", "classification_head", "qa_outputs")
_IN_FULL = "trained in full"


def summary(result: Inventory) -> str:
    """How much there is, and how much is left out. A description: nothing is tested."""
    left = _left_out(result)
    if not result.modules:
        dense = counted(len({one.module for one in result.dense}), "module")
        return (
            f"{result.method}, no low-rank factors: a dense ΔW of {_matrices(len(result.dense))} of {dense}, "
            f"{result.trainable_parameters:,} parameters{left}."
        )
    modules = len({one.module for one in result.modules})
    ranks = sorted({one.rank for one in result.modules})
    rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
    full = f"; {counted(len(result.dense), 'module')} trained in full" if result.dense else ""
    return (
        f"{result.method} of {rank} on {_matrices(len(result.modules))} of {counted(modules, 'module')}, "
        f"{result.trainable_parameters:,} parameters{full}{left}."
    )


def _left_out(result: Inventory) -> str:
    """How many tensors, and that these are as they should be where there is nothing but a classifier's."""
    count = len(result.left_out)
    if not count:
        return ""
    of = "" if result.tensors is None else f" of {result.tensors}"
    why = ": the task's head" if all(_of_the_head(*one) for one in result.left_out.items()) else ""
    return f"; {count}{of} tensors {'is' if count == 1 else 'are'} left out{why}"


def _of_the_head(name: str, why: str) -> bool:
    return why.startswith(_IN_FULL) and not set(name.split(".")).isdisjoint(_HEADS)


def _matrices(count: int) -> str:
    return "1 matrix" if count == 1 else f"{count} matrices"
