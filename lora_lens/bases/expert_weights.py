"""W0 of one expert, read from the stack of its layer's experts."""

from __future__ import annotations

from jaxtyping import Float

from ..arrays import Tensor
from ..errors import BaseModelError
from ..files.tensors import TensorStore
from .as_stored import checked
from .configuration import BaseConfiguration
from .experts import Slice, is_input_first
from .quantised.float8 import unscaled


def expert_w0(
    found: Slice,
    expected: tuple[int, int] | None,
    tensors: TensorStore,
    configuration: BaseConfiguration,
    source: str,
) -> Float[Tensor, "out in"]:
    """W0 of one expert, whichever way round the stack has it.

    Args:
        found: Where it is.
        expected: Its (out, in), where it is known.
        tensors: The base's.
        configuration: The base's.
        source: Of the base.

    Raises:
        BaseModelError: The stack has no such expert, or nothing tells which axis is the output.
    """
    stack, expert = found
    shape = tensors.shape(stack)
    if len(shape) != 3 or expert >= shape[0]:
        raise BaseModelError(
            f"{stack} of {source} has shape {shape}, expected experts with a matrix each, and {expert + 1} of them at least"
        )
    turned = is_input_first(shape[1:], expected, configuration)
    if turned is None:
        raise BaseModelError(
            f"{stack} of {source} has square matrices, and nothing tells whether they are stored (out, in) or (in, out); "
            f"put a config.json with the base's model_type beside its weights"
        )
    w0 = unscaled(tensors.get(stack)[expert], stack, tensors, configuration.settings, source)
    w0 = checked(w0, stack, source)
    return w0.T if turned else w0
