"""Towers of a model: the parts that take text, images or sound."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .families import PREFIX_WORDS
from .newest import model_types

# What a tower's name begins with, by what it takes or makes.
_TOWERS = {
    "text": "text",
    "language": "text",
    "llm": "text",
    "vision": "image",
    "visual": "image",
    "image": "image",
    "audio": "sound",
    "speech": "sound",
    "talker": "sound",
}
# What a configuration of a model of one tower says only where it takes that.
_SETTINGS = {
    "text": ("vocab_size",),
    "image": ("image_size", "patch_size"),
    "sound": ("num_mel_bins", "feat_extract_norm"),
}
_CAPITALISED = re.compile("[A-Z][a-z]+")


def taken_by(config: Mapping[str, Any]) -> frozenset[str]:
    """What a model of one tower can take; nothing where that is not known, or it is of several.

    Example:
        >>> taken_by({"model_type": "vit", "image_size": 224})
        frozenset({'image'})
    """
    if len(model_types(config)) != 1:
        return frozenset()
    return frozenset(kind for kind, keys in _SETTINGS.items() if any(key in config for key in keys))


def towers_in(name: str) -> set[str]:
    """What the towers in a name take.

    Example:
        >>> towers_in("vision_model.encoder.layers.0.mlp.fc1.weight")
        {'image'}
    """
    words = (word for word in name.split(".") if word not in PREFIX_WORDS)
    return {_TOWERS[first] for word in words if (first := word.split("_")[0]) in _TOWERS}


def of_tower(names: list[str], model_class: str | None) -> list[str]:
    """Of several tensors those of the tower whose class this is; all where that tells nothing.

    Example:
        >>> of_tower(["text_model.q.weight", "vision_model.q.weight"], "CLIPTextModelWithProjection")
        ['text_model.q.weight']
    """
    words = _CAPITALISED.findall((model_class or "").partition("For")[0])  # not of what it is for
    takes = {_TOWERS[word.lower()] for word in words if word.lower() in _TOWERS}
    own = [name for name in names if towers_in(name) == takes]
    return own if len(takes) == 1 and own else names
