"""PEFT's ``target_parameters``: factors of a stack of experts, one matrix each.

PEFT wraps the module that holds the stack, so that a tensor's name does not say which parameter it is for,
and once more for a second parameter of it: ``experts.lora_A`` around ``experts.base_layer.lora_A``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...bases.experts import is_stack, path_of_expert
from ...bases.orientation import in_gpt2
from ...errors import AdapterError
from ...updates import Factor, LowRank
from ..adapter_files import AdapterFiles
from ..conv1d import told_conv1d
from ..factors.derived import columns_of, rows_of, transposed
from .expert_sides import is_turned
from .settings import Scaling

# The order in which the models' experts hold them, in which PEFT wraps them, from within.
_ORDER = ("gate_up_proj", "gate_up_proj_bias", "up_proj", "down_proj", "down_proj_bias")
_INNER = ".base_layer"
_STACKS = "experts"


def parameters_of(files: AdapterFiles, factors: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Path of each wrapped module, with what is around it, to the path of the parameter that it adapts.

    Args:
        files: Of the adapter.
        factors: All its paths, with their tensors A and B.

    Raises:
        AdapterError: Nothing tells which of a module's parameters it is.
    """
    targets = files.config.get("target_parameters")
    if not targets:
        return {}
    if not isinstance(targets, list) or not all(isinstance(one, str) for one in targets):
        raise AdapterError(f"{files.source} has target_parameters {targets!r}, expected names")
    wrapped: dict[str, list[str]] = {}
    for path in sorted(factors, key=lambda one: -one.count(_INNER)):  # from within
        wrapped.setdefault(path.replace(_INNER, ""), []).append(path)
    found: dict[str, str] = {}
    for module, around in wrapped.items():
        held = {target: name for target in targets if (name := _held(module, target))}
        if len(around) == 1 and not module.endswith(_STACKS):
            # ``down_proj`` alone may be of any module, and is of none that is named.
            held = {target: name for target, name in held.items() if "." in target} or held
        if len(around) == 1 and not any("." in target for target in held):
            rank = next(iter(files.shape(factors[around[0]]["A"])), 0)
            if _is_asked_for(files, module) and _is_layer(
                Scaling(files.config), module, held.values(), rank
            ):
                continue
        if held:
            names = _in_order(files, module, around, sorted(set(held.values())))
            found |= dict(zip(around, names, strict=True))
    return found


def _is_asked_for(files: AdapterFiles, module: str) -> bool:
    """Whether ``target_modules`` can name a module, an expression any."""
    asked = files.config.get("target_modules")
    if not isinstance(asked, list):
        return asked is not None
    return any(f".{module}".endswith(f".{one}") for one in asked)


def _is_layer(scaling: Scaling, module: str, held: Iterable[str], rank: int) -> bool:
    """Whether a pair of factors has the rank of a layer as any other, where a stack has that of each of its experts.

    PEFT itself names ``gate_up_proj`` and ``down_proj`` where layers of these names are asked for, with twice the
    rank for the first.
    """
    own = not module.endswith(_STACKS) and scaling.rank(module) == rank
    return own or all(scaling.rank(f"{module}.{one}") == rank for one in held)


def _held(module: str, target: str) -> str | None:
    """The parameter's own name, where the target can be one of this module."""
    parent, _, last = target.rpartition(".")
    fits = not parent or module == parent or module.endswith(f".{parent}")
    return last if fits else None


def _in_order(
    files: AdapterFiles, module: str, around: Sequence[str], held: Sequence[str]
) -> list[str]:
    if len(around) != len(held) or (len(held) > 1 and not set(held) <= set(_ORDER)):
        raise AdapterError(
            f"{files.source} has {len(around)} pairs of factors for parameters of {module}, and target_parameters "
            f"names {', '.join(held)}: which is whose, its files do not say; merge it in PEFT"
        )
    ordered = sorted(held, key=_ORDER.index) if len(held) > 1 else held
    return [module if name == "weight" else f"{module}.{name}" for name in ordered]


def named_in_peft(path: str, parameter: str) -> str:
    """The parameter's whole name, against which PEFT matches its patterns: of a module's weight not its path alone.

    Example:
        >>> named_in_peft("mlp.gate_proj", "mlp.gate_proj"), named_in_peft("experts.base_layer", "experts.up_proj")
        ('mlp.gate_proj.weight', 'experts.up_proj')
    """
    return f"{parameter}.weight" if path.replace(_INNER, "") == parameter else parameter


def experts(
    files: AdapterFiles,
    path: str,
    parameter: str,
    a: Factor,
    b: Factor,
    tensors: tuple[str, str],
    *,
    turned: bool | None = None,
    grouped: bool = False,
) -> dict[str, LowRank]:
    """Each expert's update by its path, ``….experts.3.down_proj``; of a parameter that is one matrix, its own.

    A is (expert·rank, in), expert by expert; B is (out, rank·expert), rank by rank, or expert by expert too. Where A has the output's side,
    ΔW is the transpose of their product; as of GPT-2's Conv1D, for PEFT takes a matrix for (out, in).

    Args:
        files: Of the adapter.
        path: Of the wrapped module, with what is around it.
        parameter: Its path.
        a, b: Of all its experts.
        tensors: Their names.
        turned: Whether A has the output's side, where shapes tell.
        grouped: Whether B is expert by expert.

    Raises:
        AdapterError: The rank is not what the configuration says, or nothing tells which side is the input's.
    """
    scaling, named = Scaling(files.config), named_in_peft(path, parameter)
    rank = scaling.rank(named)
    count = a.shape[0] // rank
    if count * rank != a.shape[0] or not count or b.shape[1] != a.shape[0]:
        raise AdapterError(
            f"{named} has rank {a.shape[0]} over all experts, but adapter_config.json says {rank} each"
        )
    s = scaling.of(named, rank)
    if count == 1 and not is_stack(parameter):
        return {parameter: _update(a, b, s, tensors, turned=_is_conv1d(files, parameter))}
    if turned is None:
        turned = is_turned(files, parameter, a.shape[1], b.shape[0])
    found = {}
    for k in range(count):
        own = (k * rank, (k + 1) * rank)
        below = rows_of(a, *own)
        above = transposed(rows_of(transposed(b), *own)) if grouped else columns_of(b, k, count)
        found[path_of_expert(parameter, k)] = _update(below, above, s, tensors, turned=turned)
    return found


def _update(a: Factor, b: Factor, s: float, tensors: tuple[str, str], *, turned: bool) -> LowRank:
    """s·B·A; its transpose where A has the output's side."""
    return (
        LowRank(transposed(b), transposed(a), s, tensors) if turned else LowRank(a, b, s, tensors)
    )


def _is_conv1d(files: AdapterFiles, parameter: str) -> bool:
    """Whether a parameter that is one matrix is stored (in, out).

    Raises:
        AdapterError: GPT-2 has such a Conv1D, and no base is here to tell.
    """
    told = told_conv1d(files, parameter, download=files.base_given is not None)
    if told is None and in_gpt2(parameter):
        raise AdapterError(
            f"{files.source} has factors for {parameter}.weight by target_parameters, and whether A is on its input's side "
            f"depends on its base, which is not here or does not tell: pass --base with one that has its config.json"
        )
    return bool(told)
