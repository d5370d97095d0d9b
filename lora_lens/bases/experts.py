"""W0 of one expert: a slice of a stack, or the gate's and the up projection's below each other.

transformers has a layer's experts as two stacks, ``experts.gate_up_proj`` and ``experts.down_proj``; files have
them so, or expert by expert, ``experts.3.gate_proj``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..files.names import is_number
from .configuration import BaseConfiguration
from .pieces import Slice

# By transformers' model_type, the models whose stacks are (expert, in, out); all others' are (expert, out, in).
INPUT_FIRST = frozenset(
    {
        "aria",
        "aria_text",
        "dbrx",
        "gpt_oss",
        "llama4",
        "llama4_text",
        "openai_privacy_filter",
    }
)

# Those of them whose class does not say so (``is_transposed``), so that PEFT takes the axes for the others'.
UNSAID = frozenset({"llama4", "llama4_text"})


# Modules whose ``weight`` is a stack, JetMoE's; those of all others that have three axes are convolutions'.
WHOLE_STACKS = ("input_linear", "output_linear")


def path_of_expert(stack: str, expert: int) -> str:
    """The path of one expert's matrix, where the stack that it is a slice of has the path `stack`.

    Example:
        >>> path_of_expert("mlp.experts.down_proj", 3)
        'mlp.experts.3.down_proj'
    """
    module, _, name = stack.rpartition(".")
    return f"{module}.{expert}.{name}"


def is_stack(parameter: str) -> bool:
    """Whether a parameter is a matrix for each expert by its path, be there one expert; biases are one for all.

    Example:
        >>> is_stack("mlp.experts.down_proj"), is_stack("mlp.experts.down_proj_bias"), is_stack("experts.mlp.w1")
        (True, False, False)
        >>> is_stack("mlp.shared_experts.down_proj")
        False
    """
    module, _, name = parameter.rpartition(".")
    return module.rpartition(".")[2] == "experts" and not name.endswith("_bias")


def slice_of(path: str, names: Collection[str]) -> Slice | None:
    """The stack that ``….experts.3.down_proj`` is a slice of; None where there is none, or several could be meant.

    Example:
        >>> slice_of("model.layers.0.mlp.experts.3.down_proj", ["layers.0.mlp.experts.down_proj"])
        Slice(name='layers.0.mlp.experts.down_proj', expert=3)
        >>> slice_of("model.layers.0.mlp.3.input_linear", ["model.layers.0.mlp.input_linear.weight"])
        Slice(name='model.layers.0.mlp.input_linear.weight', expert=3)
    """
    module, _, name = path.rpartition(".")
    parent, _, number = module.rpartition(".")
    whole = name in WHOLE_STACKS
    if not is_number(number) or len(number) > 6 or not (whole or parent.endswith("experts")):
        return None
    wanted = f"{parent}.{name}.weight" if whole else f"{parent}.{name}"
    # Either side may lack a prefix, which holds no number.
    found = [
        one
        for one in names
        if one == wanted
        or (
            (one.endswith(f".{wanted}") or wanted.endswith(f".{one}"))
            and _numbers(one) == _numbers(wanted)
        )
    ]
    return Slice(found[0], int(number)) if len(found) == 1 else None


def _numbers(name: str) -> list[str]:
    return [part for part in name.split(".") if is_number(part)]


def halves_of(path: str) -> tuple[str, str] | None:
    """Paths of the two matrices that ``….experts.3.gate_up_proj`` is, below each other; None of other paths.

    Example:
        >>> halves_of("mlp.experts.3.gate_up_proj")
        ('mlp.experts.3.gate_proj', 'mlp.experts.3.up_proj')
    """
    parent, _, last = path.rpartition(".")
    if last != "gate_up_proj" or ".experts." not in parent:
        return None
    return f"{parent}.gate_proj", f"{parent}.up_proj"


def is_input_first(
    shape: tuple[int, int], expected: tuple[int, int] | None, configuration: BaseConfiguration
) -> bool | None:
    """Whether a slice is stored (in, out); None where nothing tells.

    Example:
        >>> is_input_first((4, 6), (6, 4), BaseConfiguration()), is_input_first((4, 4), (4, 4), BaseConfiguration())
        (True, None)
    """
    if expected is not None and shape[0] != shape[1] and shape in (expected, expected[::-1]):
        return shape != expected
    kinds: Mapping[str, bool] = {
        one.model_type: one.model_type in INPUT_FIRST
        for one in configuration.all()
        if one.model_type is not None
    }
    return any(kinds.values()) if kinds else None
