"""W0 of one expert, read from the stack of its layer's experts."""

from __future__ import annotations

from jaxtyping import Float

from ..arrays import Tensor
from ..errors import BaseModelError
from ..files.tensors import TensorStore
from .as_stored import checked
from .configuration import BaseConfiguration
from .experts import is_input_first
from .pieces import Slice
from .quantised.float8 import unscaled


def is_held(one: Slice, tensors: TensorStore) -> bool:
    """Whether a stack is of matrices, and has this one."""
    shape = tensors.shape(one.name)
    return len(shape) == 3 and one.expert < shape[0]


def why_not_held(one: Slice, tensors: TensorStore, source: str) -> str:
    """What a stack is that has no such expert."""
    return (
        f"{one.name} of {source} has shape {tensors.shape(one.name)}, expected experts with a matrix each, "
        f"and {one.expert + 1} of them at least"
    )


def expert_w0(
    one: Slice,
    expected: tuple[int, int] | None,
    tensors: TensorStore,
    configuration: BaseConfiguration,
    source: str,
) -> Float[Tensor, "out in"]:
    """W0 of one expert, whichever way round the stack has it.

    Args:
        one: Where it is, in a stack that has it.
        expected: Its (out, in), where it is known.
        tensors: The base's.
        configuration: The base's.
        source: Of the base.

    Raises:
        BaseModelError: Nothing tells which axis is the output.
    """
    _, *shape = tensors.shape(one.name)
    turned = is_input_first((shape[0], shape[1]), expected, configuration)
    if turned is None:
        raise BaseModelError(
            f"{one.name} of {source} has square matrices, and nothing tells whether they are stored (out, in) or (in, out); "
            f"put a config.json with the base's model_type beside its weights"
        )
    own = tensors.rows(one.name, one.expert, one.expert + 1)[0]
    w0 = unscaled(own, one.name, tensors, configuration.settings, source)
    w0 = checked(w0, one.name, source)
    return w0.T if turned else w0
