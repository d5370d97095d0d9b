"""DoRA, in whichever format: an update with its layer's norms, and what its answers have to say."""

from __future__ import annotations

from dataclasses import replace

from ...updates import LowRank
from ..adapter_files import AdapterFiles

DORA = (
    "DoRA: numbers of A, B and s·B·A are its factors', before every row of W0 + s·B·A is rescaled; ΔW itself, of "
    "full rank, is made with W0"
)
DORA_BY_COLUMN = (
    "DoRA over input channels: numbers of A, B and s·B·A are its factors', before every channel of W0 + s·B·A is "
    "rescaled; ΔW itself, of full rank, is made with W0"
)


def with_magnitude(files: AdapterFiles, update: LowRank, name: str) -> LowRank:
    """The update, rescaled by the norms in a tensor of the file.

    Args:
        files: Of the adapter.
        update: Of the layer.
        name: Of the tensor.

    Raises:
        AdapterError: The tensor has several axes.
    """
    return replace(update, magnitude=files.column(name), tensors=(*update.tensors, name))
