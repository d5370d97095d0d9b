"""In which order B of a stack of experts has its columns: PEFT's, or that in which Unsloth trained until 2026.9.5.

PEFT has rank by rank a column of each expert, column ``j·E + e`` of expert e; Unsloth's own forward had expert by expert,
column ``e·r + j``. Its versions since say which a file has, as ``lora_B_layout``; those from February 2026 on, which were
the first to train stacks, said nothing.

Source: unsloth_zoo 2026.10.9, what `saved_lora_b_layouts` and `convert_legacy_lora_b` take for what; unsloth-zoo#1269.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ...bases.experts import is_stack
from ...errors import AdapterError
from ...several import counted
from ..adapter_files import AdapterFiles

_GROUPED, _PEFTS = "grouped_by_expert", "rank_major"
_PARAMETERS = frozenset({"gate_up_proj", "down_proj"})  # others were trained by PEFT's own forward
# Whose stacks Unsloth trained by its own forward before it said so.
_FAMILIES = frozenset(
    [
        "deepseek_v3",
        "ernie4_5_moe",
        "ernie4_5_vl_moe",
        "gemma4",
        "glm4_moe",
        "glm4_moe_lite",
        "gpt_oss",
        "lfm2_moe",
        "mixtral",
        "qwen3_5_moe",
        "qwen3_moe",
        "qwen3_next",
        "qwen3_vl_moe",
    ]
)
_COMPILED = "unsloth_compiled_module_"


def by_expert(files: AdapterFiles, parameters: Collection[str]) -> frozenset[str]:
    """Of the stacks, those whose B has the columns of each expert side by side.

    A model in memory has PEFT's layers, which merge in PEFT's order.

    Args:
        files: Of the adapter.
        parameters: Paths of what ``target_parameters`` adapts.

    Raises:
        AdapterError: The configuration says neither order; or nothing tells whether Unsloth trained this architecture
            in its own.
    """
    stacks = [one for one in parameters if is_stack(one) and _last(one) in _PARAMETERS]
    if files.live is not None or not stacks:
        return frozenset()
    said = _said(files)
    if said is not None:
        return frozenset(one for one in stacks if _order(files, said, one) == _GROUPED)
    return frozenset(stacks) if _unsaid_by_unsloth(files) else frozenset()


def columns_said(files: AdapterFiles, grouped: Collection[str]) -> Iterator[str]:
    """What is said of how stacks were read that are not in PEFT's order.

    Args:
        files: Of the adapter.
        grouped: From `by_expert`.
    """
    if grouped:
        why = (
            "Unsloth trained them before 2026.9.6"
            if _said(files) is None
            else "the configuration says"
        )
        yield f"B of stacks is read expert by expert, as {why}, not in PEFT's order: {counted(len(grouped), 'module')}"


def columns_unsaid(files: AdapterFiles, grouped: Collection[str]) -> Iterator[str]:
    """What every question has to say of them where their order is not in the file.

    Args:
        files: Of the adapter.
        grouped: From `by_expert`.
    """
    if grouped and _said(files) is None:
        yield (
            f"ΔW of experts is in the order of Unsloth's training before 2026.9.6; with UNSLOTH_MOE_LORA_MERGED=1, which no file "
            f"says, or by a later Unsloth whose file PEFT saved again, it was in PEFT's: put "
            f'"lora_B_layout": "{_PEFTS}" into adapter_config.json then'
        )


def _said(files: AdapterFiles) -> Mapping[str, Any] | None:
    """Parameter to its order, by the configuration, in which a name of "" is for all of them."""
    for told in (files.config, _mapping(files)):
        detail = told.get("unsloth_fused_expert_lora")
        parameters = detail.get("parameters") if isinstance(detail, dict) else None
        if isinstance(parameters, dict):
            return {
                name: one.get("lora_B_layout")
                for name, one in parameters.items()
                if isinstance(one, dict)
            }
        if (order := told.get("lora_B_layout")) is not None:
            return {"": order}
    return None


def _order(files: AdapterFiles, said: Mapping[str, Any], parameter: str) -> str:
    order: object = said.get(_last(parameter), said.get("", _PEFTS))
    if order not in (_GROUPED, _PEFTS):
        raise AdapterError(
            f"{files.source} says of {parameter} that its lora_B_layout is {order!r}, expected {_GROUPED} or {_PEFTS}: "
            f"some of its layers may be in either; save it again from Unsloth, or merge it there"
        )
    return str(order)


def _unsaid_by_unsloth(files: AdapterFiles) -> bool:
    """Whether Unsloth trained the model by its own forward, and wrote the file before it said so.

    Raises:
        AdapterError: Of which architecture it is, neither the file says nor a base.
    """
    mapping = _mapping(files)
    if not mapping.get("unsloth_fixed"):
        return False
    families = _families(str(mapping.get("parent_library") or "").split("."))
    if not families and (base := files.base_configuration()):
        families = [one.model_type.removesuffix("_text") for one in base.all() if one.model_type]
    if not families:
        raise AdapterError(
            f"{files.source} has stacks of experts that Unsloth trained, whose B lies in an order of its own for some architectures, "
            f"and which this is, its configuration does not say: pass --base"
        )
    return not _FAMILIES.isdisjoint(families)


def _families(library: Sequence[str]) -> list[str]:
    """``transformers.models.qwen3_moe.modeling_qwen3_moe`` is qwen3_moe, as Unsloth's compiled copy of it is."""
    if library[-1].startswith(_COMPILED):
        return [library[-1].removeprefix(_COMPILED)]
    return [library[2]] if library[:2] == ["transformers", "models"] and len(library) > 2 else []


def _mapping(files: AdapterFiles) -> Mapping[str, Any]:
    mapping = files.config.get("auto_mapping")
    return mapping if isinstance(mapping, dict) else {}


def _last(parameter: str) -> str:
    return parameter.rpartition(".")[2]
