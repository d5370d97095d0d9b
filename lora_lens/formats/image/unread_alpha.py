"""An α that a trainer wrote where loaders do not look for it: into a file's header, or beside the file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import AdapterError
from ...files.json_files import object_in, object_of
from ...several import counted
from ..adapter_files import AdapterFiles
from .updates import ImageUpdates

_ALPHAS = ("lora_alpha", "network_alpha", "ss_network_alpha", "alpha")
_RANKS = ("r", "rank", "lora_rank", "ss_network_dim")
_CONFIG = "lora_config"  # finetrainers' key in a header; FastVideo's file, whose settings are in its `lora_params`


def unread_alpha(files: AdapterFiles, found: ImageUpdates) -> Iterator[str]:
    """What has to be said of modules with s = 1 for want of an α, where another is written down.

    Args:
        files: Of the adapter.
        found: The modules whose s no settings give.
    """
    own = {one.update.a.shape[0] for one in found.modules.values() if one.scaled == "none"}
    count = sum(one.scaled == "none" for one in found.modules.values())
    for where, said in _written(files) if count else ():
        alpha, rank = (_first(said, keys) for keys in (_ALPHAS, _RANKS))
        if rank is None and len(own) == 1:
            rank = float(*own)
        if alpha is not None and alpha != rank:
            of = "its rank" if rank is None else f"rank {rank:g}"
            times = "α/rank" if rank is None else f"{alpha / rank:g}"
            yield (
                f"{where} says α {alpha:g} at {of}, which loaders pass over, and so is s 1 here ({counted(count, 'module')}); "
                f"where it was trained with s = α/rank, ΔW is {times} times what is shown, unless a converter has multiplied the "
                f"factors by it and kept the words, as sd-scripts' and musubi-tuner's do"
            )
            return


def check_alpha_beside(files: AdapterFiles, found: ImageUpdates) -> None:
    """Refuse s = 1 where a configuration beside the file says an α: other models than images' have such names, too.

    Raises:
        AdapterError: One does, of modules whose s nothing in the file says.
    """
    alpha = files.config.get("lora_alpha")
    without = [path for path, one in found.modules.items() if one.scaled == "none"]
    if alpha is not None and without:
        of_peft = any(".lora_A" in name for name in files.names)
        do = 'put "peft_type": "LORA" into it' if of_peft else "write it as a tensor .alpha of each"
        raise AdapterError(
            f"{files.source}: adapter_config.json beside it says lora_alpha {alpha} and no peft_type, and of an image model's "
            f"names ({without[0]}) without .alpha s would be 1: {do} where s is lora_alpha/r, or take the file away where s is 1"
        )


def _written(files: AdapterFiles) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where settings stand, and what they are."""
    yield "the file's header", files.header
    yield f"{_CONFIG} in the file's header", object_of(files.header.get(_CONFIG, ""))
    path = files.find(f"{_CONFIG}.json")
    if path is not None:
        said = object_in(path)
        within = said.get("lora_params")
        yield path.name, within if within and isinstance(within, dict) else said


def _first(said: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    """The first of these keys that has a finite number other than 0."""
    for key in keys:
        try:
            number = float(said[key])
        except (KeyError, TypeError, ValueError):
            continue
        if number and math.isfinite(number):
            return number
    return None
