"""Tensors beside a layer's factors that are none of them: what cannot change ΔW, and what may."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ...errors import AdapterError
from ...updates import LowRank
from ..adapter_files import AdapterFiles

# W0 itself, quantised or not; biases; what changes a norm, or W0's shape; factors of another adapter or of a part of W0.
_HARMLESS = re.compile(
    r"weight(_\w+)?|qweight|qzeros|scales|g_idx|SCB|(.*[._])?bias"
    r"|alpha|diff_b|w_norm|b_norm|reshape_weight"
    r"|lora_([ABab]|down|up)\.([^.]+(\.weight)?|weight\..+)|lora_velora_.*|lora_dropout_mask|_extra_state"
)
_OF_AN_UPDATE = ("lora", "dora")
# What weighs a layer's factors by its input, a module of its own within it: of a mixture of experts, or a gated LoRA.
_ROUTER = re.compile(r"(\w+_)?(router?|routing|gate|gating)\..+")
_WRAPS = re.compile(r"\.(lora|lora_linear_layer)$")  # what holds both factors, within the layer


def check_nothing_beside(
    files: AdapterFiles, updates: Iterable[LowRank], names: Iterable[str]
) -> None:
    """Refuse a tensor of a layer's own that no reader knows, as a magnitude by another name: ΔW would be misread.

    Args:
        files: Of the adapter.
        updates: What was read.
        names: Of the tensors that no update is made of.

    Raises:
        AdapterError: There is one.
    """
    layers = {_layer(update) for update in updates}
    for name in names:
        for layer, part in _splits(name):
            own = "." not in part or part.startswith(_OF_AN_UPDATE)  # and not of a layer within
            own = own or _ROUTER.fullmatch(part) is not None
            if layer in layers and own and not _HARMLESS.fullmatch(part):
                raise AdapterError(
                    f"{files.source} holds {name} beside the factors of {layer}, a part of its update that is not known, so "
                    f"that ΔW may be no s·B·A: merge it by the library that made it, and extract a LoRA of what that changed"
                )


def _layer(update: LowRank) -> str:
    """Its path as the file has it: what its tensors' names begin with."""
    first, *others = (name.split(".") for name in update.tensors)
    for other in others:
        pairs = zip(first, other, strict=False)
        first = first[: next((k for k, (x, y) in enumerate(pairs) if x != y), len(first))]
    return _WRAPS.sub("", ".".join(first))


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """At each of its dots."""
    words = name.split(".")
    for k in range(1, len(words)):
        yield ".".join(words[:k]), ".".join(words[k:])
