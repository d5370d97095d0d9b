"""Factors of low rank within a whole model's own tensors, whose layers then are more than their weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

# PEFT's and loralib's, which are read where their file is named beside a configuration.
_READ = re.compile(r"\.base_layer\.(weight|bias)$|(^|[._])lora_(embedding_)?[AB](_[a-z])?(\.|$)")
# DeepSpeed-Chat's, DeepSpeed's OptimizedLinear's, and those of libraries whose adapters lie apart as a rule.
_OTHERS = re.compile(
    r"(^|[._])lora_([ab]|left_weight|right_weight|weight_[12]|down|up)(\.|$)|\.(hada_w[12]|lokr_w[12])(_[ab])?(\.|$)"
    r"|(^|[._])(lora(_layer)?\.(down|up|[AB])|lora[AB])(\.|$)"
)
# A weight that a module of somebody's own makes anew; torch's norms of weights keep their buffers there (_u, _v, base).
_MADE = re.compile(r"\.parametrizations\.\w+\.[0-9]+\.(?!_|base$)")


def held_factors(names: Iterable[str]) -> list[str]:
    """Those of a whole model's tensors that are factors, or PEFT's own around a layer, sorted.

    Example:
        >>> held_factors(["h.0.q.weight", "h.0.q.lora_right_weight", "h.0.w_lora.lora.0.weight", "h.0.q_lora_rank"])
        ['h.0.q.lora_right_weight']
        >>> held_factors(["conv.parametrizations.weight.original0", "q.parametrizations.weight.0.lora_A"])
        ['q.parametrizations.weight.0.lora_A']
    """
    kinds = (_READ, _OTHERS, _MADE)
    return sorted(name for name in names if any(kind.search(name) for kind in kinds))


def what_to_do(factors: Sequence[str], files: Mapping[str, str]) -> str:
    """What a whole model with such factors is, and what to do: the rest of a sentence about it.

    Args:
        factors: From `held_factors`, at least one.
        files: Each of the model's tensors to the file that holds it.

    Example:
        >>> one = "q.lora_weight_1.weight"
        >>> what_to_do([one], {one: "model.safetensors"})[:54]
        'is a whole model whose layers are more than their weig'
    """
    said = (
        f"is a whole model whose layers are more than their weights, as {factors[0]} tells, so that these less W0 are not ΔW: merge what is "
        f"added to them by the library that made it, and name the model so made"
    )
    if not any(map(_READ.search, factors)):
        return said
    if len(set(files.values())) > 1:
        return f"{said}; or save lora_A and lora_B alone, as adapter_model.safetensors beside their adapter_config.json"
    return (
        f"{said}; or put their adapter_config.json beside {files[factors[0]]}, and name that file"
    )
