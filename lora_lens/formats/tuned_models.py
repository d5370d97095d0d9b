"""A model that was tuned in full, beside the one that it was tuned from: each of its matrices is a dense update."""

from __future__ import annotations

from collections.abc import Sequence

from ..bases.families import family
from ..bases.weights import BaseWeights
from ..errors import AdapterError, BaseModelError
from ..files.held_factors import held_factors, what_to_do
from .adapter_files import AdapterFiles
from .format import Checkpoint
from .left_out import LeftOut
from .peft.names import module_of
from .trained_in_full import TUNED, WEIGHTS

_NO_MATRIX = "a bias, a norm or a buffer, which has no spectrum"
_OTHER = "no layer's own weight, as a token, a table of positions or a stack of experts: no ΔW of it is made"
_OF_EXPERTS = (
    "expert",
    "moe",
)  # what paths of stacks have in them, which lie as a Conv1d's weight does


def tuned_model(files: AdapterFiles) -> Checkpoint:
    """What the files of a whole model hold: no low-rank update, and matrices that `trained_in_full` takes less W0.

    Raises:
        AdapterError: It is its base itself, or quantised, or holds nothing, or factors of low rank.
        BaseModelError: The base is not found, or of another architecture.
    """
    if not files.names:
        raise AdapterError(f"{files.source} holds no tensors")
    _check_architecture(files)
    base = files.open_base()
    if _is_one_file(files, base):
        raise AdapterError(
            f"{files.source} is the base itself, whose ΔW is zero: pass --base with the model that it was tuned from"
        )
    factors = held_factors(files.names)
    if added := [name for name in factors if not _is_layer(name, base)]:
        raise AdapterError(f"{files.source} {what_to_do(added, files.tensors.files)}")
    if files.config.get("quantization_config"):
        raise AdapterError(
            f"{files.source} is quantised, and what is not in its numbers is not in ΔW: name the model as it was trained"
        )
    return Checkpoint(
        method="full",
        title="Full fine-tuning",
        updates={},
        left_out={name: _reason(files, name) for name in sorted(files.names)},
        trainable_parameters=0,
        caveats=_beside_factors(files.source, factors),
    )


def _is_layer(name: str, base: BaseWeights) -> bool:
    """Whether a factor is one of the base's too, as Phi-4-multimodal's are: ΔW is then of each by itself."""
    if name in base.tensors.files:
        return True
    return name.endswith((*WEIGHTS, ".bias")) and base.holds(module_of(name))


def _beside_factors(source: str, factors: Sequence[str]) -> tuple[str, ...]:
    """What every question has to say of such layers."""
    return tuple(
        f"{source} and its base have layers that are more than their weights, as {name} tells: ΔW is of each matrix by itself, not of what "
        f"they make together"
        for name in factors[:1]
    )


def _is_one_file(files: AdapterFiles, base: BaseWeights) -> bool:
    name = next(iter(files.tensors.files.values()))
    one, other = files.find(name), base.tensors.find(name)
    return one is not None and other is not None and one.samefile(other)


def _reason(files: AdapterFiles, name: str) -> LeftOut:
    axes = len(files.shape(name))
    if axes < 2:
        return LeftOut(_NO_MATRIX)
    stack = axes > 2 and any(word in name for word in _OF_EXPERTS)
    if name.endswith(WEIGHTS) and not stack:
        return LeftOut(TUNED, "in full")
    return LeftOut(_OTHER)


def _check_architecture(files: AdapterFiles) -> None:
    """Names and sizes alone match too easily."""
    base = files.base_configuration()
    own, other = files.config.get("model_type"), base.model_type if base else None
    if isinstance(own, str) and other is not None and family(own) != family(other):
        raise BaseModelError(
            f"{files.base_given} is a {other} by its config.json, and {files.source} a {own}: it was not tuned from that; pass "
            f"--base with the model that it was tuned from"
        )
