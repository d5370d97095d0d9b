"""The model that a quantised one was made of, as far as its files and its name tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files.locate import is_hub_id

# What is added to a model's name where it is quantised.
_ADDED = re.compile(
    r"[-_.](unsloth-)?(bnb[-_]4bit|bnb[-_]8bit|4bit|8bit|gptq.*|awq.*|gguf|fp8([-_]dynamic)?|int[48]|w\da\d+|"
    r"nf4|mxfp4|nvfp4|hqq.*|quantized\.\w+)$",
    re.IGNORECASE,
)


def unquantised(source: str, settings: Mapping[str, Any]) -> str | None:
    """Hub id or folder of the model before it was quantised; None where nothing tells.

    Example:
        >>> unquantised("unsloth/Llama-3.2-1B-bnb-4bit", {})
        'unsloth/Llama-3.2-1B'
        >>> unquantised("owner/name", {"_name_or_path": "meta-llama/Llama-3.2-1B"})
        'meta-llama/Llama-3.2-1B'
    """
    said = settings.get("quantization_config")
    own = [said.get("model_name_or_path")] if isinstance(said, Mapping) else []
    for named in (*own, settings.get("_name_or_path")):
        if isinstance(named, str) and is_hub_id(named) and "/" in named and named != source:
            return _ADDED.sub("", named)
    shorter = _ADDED.sub("", source)
    return shorter if shorter != source and not Path(source).is_dir() else None


def instead(source: str, settings: Mapping[str, Any]) -> str:
    """What to do, in words."""
    named = unquantised(source, settings)
    return "pass --base with the unquantised model" + (f", which may be {named}" if named else "")
