"""Settings that PEFT's versions have had of LoRA and AdaLoRA, and what is said of others.

PEFT's next option that changes ΔW is a key of its own, as ``use_qalora`` and ``kasa_config`` were; most others
are bookkeeping. So what is not known is named, and not refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...printable import printable

LATEST = "0.21.2"
# As fields of LoraConfig and AdaLoraConfig, by the version whose files first have them of those looked through.
_FIELDS: Mapping[str, str] = {
    "0.2": "enable_lora merge_weights",  # gone since 0.3
    "0.4.0": "auto_mapping base_model_name_or_path bias fan_in_fan_out inference_mode init_lora_weights layers_pattern "
    "layers_to_transform lora_alpha lora_dropout modules_to_save peft_type r revision target_modules task_type "
    "beta1 beta2 deltaT init_r orth_reg_weight rank_pattern target_r tfinal tinit total_step",
    "0.7.1": "alpha_pattern loftq_config megatron_config megatron_core",
    "0.10.0": "layer_replication use_dora use_rslora",
    "0.13.2": "runtime_config",
    "0.14.0": "eva_config exclude_modules lora_bias",
    "0.15.2": "corda_config trainable_token_indices",
    "0.16.0": "qalora_group_size use_qalora",
    "0.17.1": "target_parameters",
    "0.18.0": "alora_invocation_tokens arrow_config ensure_weight_tying peft_version",
    "0.19.0": "lora_ga_config use_bdlora",
    "0.20.0": "monteclora_config velora_config",
    LATEST: "kasa_config",
}
# Of those who write PEFT's files: Unsloth's bookkeeping, and what `expert_columns` reads; learning rates and types of ms-swift.
_OF_OTHERS = (
    "unsloth_fixed unsloth_version lora_B_layout unsloth_fused_expert_lora "
    "swift_type lora_dtype lorap_lr_ratio lorap_emb_lr"
)
KNOWN = frozenset(key for keys in (*_FIELDS.values(), _OF_OTHERS) for key in keys.split())
_SHOWN, _LONGEST = 3, 40  # names, and letters of each


def unknown_said(
    config: Mapping[str, Any], known: Collection[str] = KNOWN, version: str = LATEST
) -> Iterator[str]:
    """What has to be said of settings that no PEFT had and that are set.

    Args:
        config: The whole ``adapter_config.json``.
        known: What PEFT has.
        version: Of the last PEFT that `known` is of.

    Example:
        >>> [said[:47] for said in unknown_said({"r": 8, "use_newlora": True, "newlora_config": None})]
        ['the configuration sets use_newlora, unknown to ']
        >>> list(unknown_said({"r": 8, "use_newlora": False}))
        []
    """
    found = [
        printable(key)[:_LONGEST]
        for key in sorted(config)
        if key not in known and _is_set(config[key])
    ]
    if not found:
        return
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    yield (
        f"the configuration sets {', '.join(found[:_SHOWN])}{more}, unknown to PEFT up to {version}: if that changes ΔW, what is "
        f"read here is not it"
    )


def _is_set(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", [], {})
