"""PEFT's settings of LoRA: what makes an update something else than s·B·A, and s by its patterns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import AdapterError
from .peft_patterns import Patterns, patterns_of

# Settings under which the adapter's update is not s·B·A over the base model's own W0.
_NOT_PLAIN: Mapping[str, str] = {
    "use_dora": "DoRA rescales every row of W0 + s·B·A",
    "use_qalora": "QA-LoRA pools the input before A",
    "use_bdlora": "BD-LoRA's factors are block-diagonal",
    "kasa_config": "KaSA changes W0 and adds singular values between B and A",
    "monteclora_config": "MonteCLoRA samples its factors",
    "target_parameters": "its factors target stacked expert parameters, not linear layers",
    "layer_replication": "its layers are replicas that the base model does not name",
    "use_mora": "MoRA's update is no product of two factors",
}
_CHANGED_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def check_plain(config: Mapping[str, Any], source: str) -> None:
    """Refuse settings under which reading s·B·A would give wrong numbers.

    Raises:
        AdapterError: DoRA, PiSSA and the like; the message says what the update is instead.
    """
    for key, why in _NOT_PLAIN.items():
        if config.get(key):
            raise AdapterError(f"{source} sets {key}: {why}; lora-lens would misread it")
    init = config.get("init_lora_weights")
    if isinstance(init, str) and init.lower().startswith(_CHANGED_BASE):  # PEFT ignores case too
        raise AdapterError(
            f"{source} was initialised by {init!r}, so its update is B·A minus the initial B₀·A₀; "
            f"convert it first: model.save_pretrained(…, path_initial_model_for_weight_conversion=…)"
        )


@dataclass(frozen=True)
class Scaling:
    """s of every module, by PEFT's rules.

    Attributes:
        config: The whole ``adapter_config.json``.
    """

    config: Mapping[str, Any]

    def of(self, path: str, rank: int, alpha: float | None = None) -> float:
        """s of one module.

        Args:
            path: Of the module.
            rank: Of its tensors.
            alpha: From a tensor of the file, which goes before the configuration.

        Raises:
            AdapterError: The tensors' rank is not what the configuration says it is, or α is no number.
        """
        if alpha is None:
            expected = self._ranks.of(path, self.config.get("r", 8))
            if rank != expected or rank == 0:
                raise AdapterError(
                    f"{path} has rank {rank}, but adapter_config.json says {expected}"
                )
            alpha = self._alphas.of(path, self.config.get("lora_alpha", 8))
        if (
            not isinstance(alpha, (int, float))
            or isinstance(alpha, bool)
            or not math.isfinite(alpha)
        ):
            raise AdapterError(f"lora_alpha of {path} is {alpha!r}, expected a finite number")
        return alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank

    @cached_property
    def _ranks(self) -> Patterns:
        return patterns_of(self.config.get("rank_pattern"))

    @cached_property
    def _alphas(self) -> Patterns:
        return patterns_of(self.config.get("alpha_pattern"))
