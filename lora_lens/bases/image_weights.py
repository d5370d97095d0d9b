"""W0 of an image model's module, put together of the rows of whichever tensors hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float

from ..arrays import Tensor
from ..errors import BaseModelError
from .as_stored import joined_rows
from .image_names import ImageNames, Piece
from .not_found import why_no_image_weight


def image_w0(
    path: str, names: ImageNames, read: Callable[[str], Tensor], source: str
) -> Float[Tensor, "out in"]:
    """W0 of the module at `path`; where several answer to it they have to be equal.

    Args:
        path: Of the module.
        names: Of the base's tensors.
        read: Gives a tensor by name, as a matrix.
        source: Of the base.

    Raises:
        BaseModelError: No tensor answers to the path, or several do that differ.
    """
    found = names.find(path)
    if not found:
        raise BaseModelError(why_no_image_weight(path, names.parts, source))
    first, *others = (_joined(pieces, read, source) for pieces in found)
    if any(first.shape != other.shape or not bool((first == other).all()) for other in others):
        named = ", ".join(dict.fromkeys(one.name for pieces in found for one in pieces))
        raise BaseModelError(f"{path} could be any of {named} in {source}")
    return first


def _joined(
    pieces: Sequence[Piece], read: Callable[[str], Tensor], source: str
) -> Float[Tensor, "out in"]:
    """Rows of one or several tensors below each other."""
    rows = [read(piece.name)[piece.start : piece.stop] for piece in pieces]
    return joined_rows([piece.name for piece in pieces], rows, source)
