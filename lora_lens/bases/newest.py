"""The newest name of a tensor, by the rules of its model's family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .renames import FAMILIES


def model_types(config: Mapping[str, Any]) -> frozenset[str]:
    """Every ``model_type`` that a base's configuration names: its own and those of the models in it.

    Example:
        >>> sorted(model_types({"model_type": "llava", "vision_config": {"model_type": "clip"}}))
        ['clip', 'llava']
    """
    own = config.get("model_type")
    found = {own} if isinstance(own, str) else set()
    for part in config.values():
        if isinstance(part, Mapping):
            found |= model_types(part)
    return frozenset(found)


def rules_of(models: Iterable[str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The rules for these model types, in their order; none where nothing was renamed."""
    asked = set(models)
    return tuple(
        (re.compile(old), new)
        for family in FAMILIES
        if asked & set(family.models.split())
        for old, new in family.rules
    )


def newest(name: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str:
    """The newest name of a tensor.

    Example:
        >>> rules = rules_of(["vit"])
        >>> newest("vit.encoder.layer.3.attention.attention.value.weight", rules)
        'vit.layers.3.attention.v_proj.weight'
        >>> newest("vit.layers.3.attention.v_proj.weight", rules)
        'vit.layers.3.attention.v_proj.weight'
    """
    for old, new in rules:
        name = old.sub(new, name)
    return name
