"""LoRA as MLX-LM saves it: ``….lora_a`` (in, rank) and ``….lora_b`` (rank, out), and the scale itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .format import Checkpoint, Format, of_factors
from .peft_names import check_not_empty, check_partners, factors_by_path

_FACTOR = re.compile(r"(?P<path>.+)\.lora_(?P<factor>[ab])")
_EMBEDDINGS = ("embed_tokens", "tok_embeddings", "wte", "word_embeddings", "embeddings")


def _matches(files: AdapterFiles) -> bool:
    return any(_FACTOR.fullmatch(name) for name in files.names)


def _read(files: AdapterFiles) -> Checkpoint:
    kind = files.config.get("fine_tune_type", "lora")
    if kind != "lora" or any(name.endswith(".m") for name in files.names):
        raise AdapterError(
            f"{files.source} has fine_tune_type {kind!r}, expected 'lora': DoRA rescales every row of "
            f"W0 + s·B·A, and would be misread"
        )
    factors, _ = factors_by_path(files, _FACTOR)
    check_partners(files.source, factors, "ab")
    check_not_empty(files, (name for found in factors.values() for name in found.values()))
    scaling = _scale(files)
    updates: dict[str, LowRank] = {}
    left_out: dict[str, str] = {}
    for path, found in factors.items():
        why = _why_not(files, path, found)
        if why:
            left_out |= dict.fromkeys(found.values(), why)
            continue
        a, b = (files.factor(found[letter], transposed=True) for letter in "ab")
        updates[path] = LowRank(a, b, scaling, (found["a"], found["b"]))
    return of_factors(files, updates, method="lora", title="LoRA", why=_rest, left_out=left_out)


def _scale(files: AdapterFiles) -> float:
    said = files.config.get("lora_parameters")
    scale = said.get("scale") if isinstance(said, Mapping) else None
    if not isinstance(scale, (int, float)) or isinstance(scale, bool) or not math.isfinite(scale):
        raise AdapterError(
            f"{files.source}: the scale in lora_parameters of adapter_config.json is {scale!r}, expected a "
            f"number; keep the configuration that MLX-LM wrote beside adapters.safetensors"
        )
    return float(scale)


def _why_not(files: AdapterFiles, path: str, found: Mapping[str, str]) -> str | None:
    if path.rpartition(".")[2] in _EMBEDDINGS:
        return "factor of an embedding, whose W0 is a table of tokens"
    if len(files.shape(found["a"])) > 2:
        return "factor of stacked experts, not of a linear layer"
    return None


def _rest(_: str) -> str:
    return "trained in full, no low-rank factor"


FORMAT = Format(
    name="mlx_lora",
    title="MLX-LM's LoRA",
    matches=_matches,
    read=_read,
    cannot="DoRA is refused; embeddings and stacked experts are left out",
    stems=("adapters",),
)
