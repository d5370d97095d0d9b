"""Whether a base stores a W0 as (in, out): GPT-2's Conv1D does, a Linear does not. Decided weight by weight.

The adapter's ``fan_in_fan_out`` cannot decide it: PEFT saves one for all modules, the last wrapped
one's, and an adapter of GPT-2 with ``lm_head``, or of an image encoder with GPT-2, has both.
"""

from __future__ import annotations

from ..errors import BaseModelError, FileFormatError
from ..files.names import split_layer
from ..files.tensors import TensorStore
from .configuration import BaseConfiguration
from .families import PREFIXES

_GPT2 = frozenset({"c_attn", "q_attn", "c_proj", "c_fc"})
# By transformers' model_type, the modules that are Conv1D there; the rest of those models are Linear.
CONV1D_MODULES = {
    "gpt2": _GPT2,
    "imagegpt": _GPT2,
    "decision_transformer": _GPT2,
    "openai-gpt": _GPT2 - {"q_attn"},
    "clvp_decoder": frozenset({"c_fc", "c_proj"}),
}
_WEIGHT, _BIAS = ".weight", ".bias"


def is_conv1d(
    name: str,
    tensors: TensorStore,
    configuration: BaseConfiguration,
    *,
    expected: tuple[int, int] | None = None,
    claimed: bool = False,
) -> bool:
    """Whether the matrix `name` is stored as (in, out).

    Its own shape tells where it is not square; else the base's architecture and the other weights of
    its layer.

    Args:
        name: Of the weight.
        tensors: The base's.
        configuration: The base's.
        expected: W0's (out, in) as the adapter's B and A have it.
        claimed: Whether the adapter says ``fan_in_fan_out``, which then needs an explanation.

    Raises:
        BaseModelError: Nothing tells, or the architecture and the layer's other weights disagree; or it is
            no matrix.
    """
    if len(tensors.shape(name)) < 2:
        raise BaseModelError(
            f"{name} of {tensors.source} has the shape {list(tensors.shape(name))}, expected a matrix"
        )
    found = _by_its_bias(name, tensors)
    if found is not None:
        return found
    shape, typed = tensors.shape(name), by_architecture(name, configuration)
    if not typed and (claimed or in_gpt2(name)) and _is_of_unknown(name, configuration):
        typed = None
    if expected is not None and shape[0] != shape[1] and shape in (expected, expected[::-1]):
        # A Linear of the other shape is of another model.
        return shape != expected and typed is not False
    found = (
        _by_its_layer(name, tensors, claimed=claimed) if typed is None or in_gpt2(name) else None
    )
    if None not in (typed, found) and typed != found:
        raise BaseModelError(
            f"{name} of {tensors.source} is {_axes(turned=typed)} by the model_type of its config.json, and "
            f"{_axes(turned=found)} by the other weights of its layer; expected a config.json of these weights"
        )
    found = found if typed is None else typed
    if found is None:
        raise BaseModelError(
            f"{name} of {tensors.source} is {shape[0]}x{shape[1]}, and nothing tells whether it is stored "
            f"(out, in) or (in, out); put a config.json with {_wanted(name, configuration)} beside its weights"
        )
    return found


def _wanted(name: str, configuration: BaseConfiguration) -> str:
    """What a configuration has to say that the axes of a matrix are known."""
    said = [one.model_type for one in configuration.of(name) if one.model_type]
    return (
        f"the model_type of one that is laid out alike (gpt2 where it is (in, out), else llama), which {said[0]} does not tell,"
        if said
        else "the base's model_type"
    )


def _axes(*, turned: bool | None) -> str:
    return "(in, out)" if turned else "(out, in)"


def by_architecture(name: str, configuration: BaseConfiguration) -> bool | None:
    """Whether a weight is stored as (in, out) in such a model; None where that is not known.

    Example:
        >>> from lora_lens.bases.configuration import BaseConfiguration
        >>> gpt2 = BaseConfiguration("gpt2")
        >>> by_architecture("h.0.attn.c_proj.weight", gpt2), by_architecture("lm_head.weight", gpt2)
        (True, False)
    """
    found = {_in_one(_module(name), one) for one in configuration.of(name)}
    return found.pop() if len(found) == 1 else None


def _is_of_unknown(name: str, configuration: BaseConfiguration) -> bool:
    """Whether the model is of a type that is none of those known here, as one of a person's own code is."""
    return any(
        one.model_type not in PREFIXES and one.model_type not in CONV1D_MODULES
        for one in configuration.of(name)
    )


def _in_one(module: str, configuration: BaseConfiguration) -> bool | None:
    if configuration.model_type is None or configuration.own_code:
        return None
    return module in CONV1D_MODULES.get(configuration.model_type, ())


def _module(name: str) -> str:
    """The last word of a weight's module."""
    return name.removesuffix(_WEIGHT).rpartition(".")[2]


def in_gpt2(name: str) -> bool:
    """Whether GPT-2 has such a module as Conv1D.

    Example:
        >>> in_gpt2("h.0.attn.c_proj.weight"), in_gpt2("lm_head")
        (True, False)
    """
    return _module(name) in _GPT2


def _by_its_bias(name: str, tensors: TensorStore) -> bool | None:
    """A bias is as long as the output, which tells unless the matrix is square."""
    bias = name.removesuffix(_WEIGHT) + _BIAS
    shape = tensors.shape(name)
    if bias not in tensors.files or len(set(shape)) != 2:
        return None
    outputs = tensors.shape(bias)
    return None if outputs not in (shape[:1], shape[1:]) else outputs == shape[1:]


def _by_its_layer(name: str, tensors: TensorStore, *, claimed: bool) -> bool | None:
    """By the weights of its layer that GPT-2 has as Conv1D: they are all alike."""
    if in_gpt2(name):
        layer = _layer(name)
        beside = [one for one in tensors.files if one.endswith(_WEIGHT) and _layer(one) == layer]
        found = {_by_its_shape(one, tensors) for one in beside if in_gpt2(one)} - {None}
        return found.pop() if len(found) == 1 else None
    explained = not claimed or any(in_gpt2(one) for one in tensors.files)
    return False if explained else None


def _layer(name: str) -> tuple[str, int] | None:
    """Where the layer is, and its number."""
    split = split_layer(name)
    return split and (split[0].partition("*")[0], split[1])


def _by_its_shape(name: str, tensors: TensorStore) -> bool | None:
    """By the bias; ``c_attn`` has query, key and value in its output, in cross-attention key and value."""
    try:
        found, shape = _by_its_bias(name, tensors), tensors.shape(name)
    except FileFormatError:  # its shard is not on this machine, nor needed for anything else
        return None
    if found is not None or _module(name) != "c_attn" or len(shape) != 2:
        return found
    rows, columns = shape
    if columns in (2 * rows, 3 * rows):
        return True
    return False if rows in (2 * columns, 3 * columns) else None
