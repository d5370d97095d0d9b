"""The model that a quantised one was made of, as far as its files and its name tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import LensError
from ...files.hub_files import is_hub_id
from ...files.in_memory import nowhere
from ...files.local_files import FindFile

# What is added to a model's name where it is quantised.
_ADDED = re.compile(
    r"[-_.](unsloth-)?(bnb[-_]4bit|bnb[-_]8bit|4bit|8bit|gguf|fp8([-_]dynamic)?|int[48]|w\da\d+|nf4|mxfp4|nvfp4|quantized\.\w+|"
    r"(gptq|awq|hqq)([-_.](int\d|w\da\d+|\d+[-_]?bits?|g?s?-?\d+g?|b\d+|actorder|order|desc|act|true|false|marlin|gemm|gemv|sym))*)$",
    re.IGNORECASE,
)


# In a model card's YAML, of what it says of the model that this one was made of.
_LINE = re.compile(r"(?P<key>base_model|base_model_relation|quantized_by):[ \t]*(?P<value>.*)")
_ITEM = re.compile(r"[ \t]*-[ \t]+(?P<value>.+)")
_MOST_OF_A_CARD = 1 << 16


def unquantised(
    source: str, settings: Mapping[str, Any], card: Mapping[str, str] | None = None
) -> str | None:
    """Hub id or folder of the model before it was quantised; None where nothing tells.

    A card that says that its model is a quantised one goes before the configuration, another after it.

    Args:
        source: Folder or hub id of the quantised model.
        settings: Its configuration.
        card: From `said_in_card`.

    Example:
        >>> unquantised("unsloth/Llama-3.2-1B-bnb-4bit", {})
        'unsloth/Llama-3.2-1B'
        >>> unquantised("owner/name", {"_name_or_path": "meta-llama/Llama-3.2-1B"})
        'meta-llama/Llama-3.2-1B'
        >>> unquantised("folder", {}, {"base_model": "Qwen/Qwen3-8B", "base_model_relation": "quantized"})
        'Qwen/Qwen3-8B'
    """
    card = card or {}
    of_card = card.get("base_model")
    surely = card.get("base_model_relation") == "quantized" or "quantized_by" in card
    said = settings.get("quantization_config")
    own = [said.get("model_name_or_path")] if isinstance(said, Mapping) else []
    of_config = (*own, settings.get("_name_or_path"))
    for named in (of_card if surely else None, *of_config, of_card):
        if isinstance(named, str) and is_hub_id(named) and "/" in named and named != source:
            return _ADDED.sub("", named)
    shorter = _ADDED.sub("", source)
    return shorter if shorter != source and not Path(source).is_dir() else None


def said_in_card(find: FindFile) -> dict[str, str]:
    """What a model's card, ``README.md``, says of the model that it was made of; nothing where it names several."""
    try:
        path = find("README.md")
        if path is None:
            return {}
        with path.open("rb") as file:
            text = file.read(_MOST_OF_A_CARD).decode("utf-8", "replace")
    except (LensError, OSError):
        return {}
    head, *lines = text.splitlines() or [""]
    found: dict[str, list[str]] = {}
    listed: list[str] | None = None
    for line in lines if head.strip() == "---" else ():
        if line.strip() == "---":
            break
        item = _ITEM.fullmatch(line)
        if listed is not None and item:
            listed.append(item["value"])
            continue
        match = _LINE.fullmatch(line)
        listed = found.setdefault(match["key"], []) if match else None
        if match and match["value"]:
            found[match["key"]].append(match["value"])
    return {key: values[0].strip(" \t\"'") for key, values in found.items() if len(values) == 1}


def instead(source: str, settings: Mapping[str, Any], find: FindFile = nowhere) -> str:
    """What to do, in words."""
    named = unquantised(source, settings, said_in_card(find))
    return "pass --base with the unquantised model" + (f", which may be {named}" if named else "")
