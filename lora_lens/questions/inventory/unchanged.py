"""Whether a model that was tuned in full is its base, matrix by matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...adapter import Adapter, LayerFactors
from ...errors import LensError


def all_unchanged_said(adapter: Adapter) -> Iterator[str]:
    """That every ΔW is zero, where a model that was tuned in full has no other.

    The last layer's are looked at first, which nobody freezes alone; what is in no layer, and large, last. Nothing is read
    after the first that was changed.
    """
    if adapter.modules or not adapter.dense:
        return
    every = replace(adapter, modules=adapter.dense).each_layer()
    if all(map(_is_zero, sorted(every, key=_depth, reverse=True))):
        yield (
            f"every ΔW is zero: {adapter.source} has each of these matrices as {adapter.base_model} has it, and nothing was trained "
            f"there; name the model that was tuned, and by --base the one that it was tuned from, "
            f"unless only biases, norms or the like were trained"
        )


def _depth(one: LayerFactors) -> int:
    return -1 if one.layer is None else one.layer


def _is_zero(one: LayerFactors) -> bool:
    """Whether ΔW is exactly zero; where only factors tell, one of them is, for the other is the identity."""
    try:
        told = one.unchanged()
        if told is not None:
            return told
        return not all(bool((factor != 0).any()) for factor in one.read())
    except LensError:  # whoever asks for that ΔW is told
        return False
    finally:
        one.release()
