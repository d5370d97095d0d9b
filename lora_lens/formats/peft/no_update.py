"""Why a pair of factors has no update of W0: it has no sides or no rank, or PEFT adapts it otherwise than as one matrix."""

from __future__ import annotations

from collections.abc import Mapping

from ...bases.experts import WHOLE_STACKS
from ...errors import AdapterError
from ..adapter_files import AdapterFiles
from .experts import named_in_peft
from .settings import Scaling


def why_no_sides(files: AdapterFiles, pair: Mapping[str, str]) -> str | None:
    """Why a layer has no ΔW: it has no outputs or no inputs, as LW-DETR's in some configurations, or no rank.

    Args:
        files: Of the adapter.
        pair: Its tensors A and B.

    Raises:
        AdapterError: It has no rank, and DoRA's magnitude.
    """
    a, b = (files.shape(pair[letter]) for letter in "AB")
    if len(a) != 2 or len(b) != 2 or a[0] != b[1] or all((*a, *b)):
        return None
    if not a[0] and files.config.get("use_dora"):
        raise AdapterError(
            f"{files.source}: {pair['A']} has rank 0, and DoRA's magnitude there changes W0 alone; expected a rank of 1 or more"
        )
    if not a[0]:
        return "factor of rank 0, so that its ΔW is 0"
    what = "outputs" if a[1] else "inputs" if b[0] else "outputs and no inputs"
    return f"factor of a layer that has no {what}, so that its ΔW has no numbers"


def why_no_layer(files: AdapterFiles, a: str, b: str) -> str | None:
    """Why a pair of factors is no update of W0, where it is none.

    Args:
        files: Of the adapter.
        a, b: Their names.

    Raises:
        AdapterError: They are no factors of a convolution, though they have its axes.
    """
    below, above = files.shape(a), files.shape(b)
    if len(below) == len(above) == 2:
        return None
    if len(below) == len(above) == 3 and ".experts." in a and above[2] == below[1] > 1:
        raise AdapterError(
            f"{a} has shape {below} and {b} {above}, a matrix for each expert of a stack, of which one may stand for all, as "
            f"Tinker saves them: PEFT has no such layers, and what of W0 each is added to is not known; take the adapter as "
            f"Tinker's cookbook converts it to PEFT's, or merges it"
        )
    if len(below) != len(above) or len(above) < 3 or any(size != 1 for size in above[2:]):
        raise AdapterError(
            f"{a} has shape {below} and {b} {above}, expected those of a linear layer, or of a convolution and "
            f"one of one pixel"
        )
    groups, rest = divmod(below[0], above[1])
    if groups > 1 and not rest:
        return (
            f"factor of a convolution of {groups} groups, whose W0 has fewer columns than A: the update is none of "
            f"W0, and PEFT merges none"
        )
    return None


def why_no_stack(files: AdapterFiles, path: str, parameter: str, rows: int) -> str | None:
    """Why a parameter has no update, where it is a convolution's weight: PEFT takes its output channels for experts.

    Args:
        files: Of the adapter.
        path: Of the wrapped module, with what is around it.
        parameter: Its path.
        rows: Of A, of all that PEFT takes for experts.
    """
    named = named_in_peft(path, parameter)
    if named == parameter or parameter.endswith(WHOLE_STACKS) or ".experts." in f".{parameter}.":
        return None
    count, rest = divmod(rows, Scaling(files.config).rank(named))
    if count < 2 or rest:
        return None
    return (
        "factor of a weight of three axes in target_parameters, as a convolution has, of which PEFT adapts each slice (there, "
        "each output channel) as an expert of its own: all of them together are no update of W0 of that rank"
    )
