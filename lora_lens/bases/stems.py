"""What files with a base's weights are called, without their endings."""

from __future__ import annotations

from collections.abc import Sequence

from ..files.local_files import FindFile
from ..files.tensors import TensorStore, open_tensors

STEMS = ("model", "pytorch_model", "diffusion_pytorch_model")
# Of a part of a pipeline, in diffusers' order.
OF_PARTS = ("diffusion_pytorch_model", "model", "pytorch_model")
_VARIANTS = ("fp16", "bf16")


def variants(stems: Sequence[str]) -> tuple[str, ...]:
    """Copies in half precision, as diffusers calls them.

    Example:
        >>> variants(["model"])
        ('model.fp16', 'model.bf16')
    """
    return tuple(f"{stem}.{variant}" for variant in _VARIANTS for stem in stems)


def open_stems(source: str, find: FindFile, stems: tuple[str, ...]) -> TensorStore | None:
    """The store of the first that is there; a variant where there is no other, whatever its ending.

    So the libraries do that are not asked for a variant.

    Raises:
        FileFormatError: A file is truncated or corrupt.
    """
    return open_tensors(source, find, stems) or open_tensors(source, find, variants(stems))
