"""LoRA and DoRA as MLX-LM saves them: ``….lora_a`` (in, rank), ``….lora_b`` (rank, out), the scale itself; ``….m``, DoRA's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.dora import with_magnitude
from .factors.factor_pairs import OF_A_TABLE, is_table, pairs_by_path
from .format import ZERO_FOR, Checkpoint, Format, of_factors

# llama.cpp's end with `.weight.lora_a`.
_FACTOR = re.compile(r"(?P<path>.+)(?<!\.weight)\.lora_(?P<factor>[ab])")
_OF_A_PART = re.compile(r"\.lora_[ab]\.[0-9]+$")  # of LoRAFusedLinear
_MINDFORMERS = "mindformers_adapter_config.json"
_ALPHA_TOO = (
    "lora_parameters says alpha {alpha:g} beside scale {scale:g}: MLX-LM of before 0.14 (June 2024) trained with "
    "scale·alpha/rank, {then:g}; later ones, whose loading is followed here, take the scale alone, and wrote alpha too: where "
    "it was an earlier one, put scale {then:g} into adapter_config.json, without alpha"
)
_ZERO = f"the scale is 0 in lora_parameters of adapter_config.json {ZERO_FOR}"
_QUANTISED = (
    "W0 was quantised when MLX-VLM trained, as base_quantization of adapter_config.json says: what is made with W0, as is DoRA's ΔW, "
    "is off by that rounding, unless the base is the model so quantised and dequantised again"
)


def _read(files: AdapterFiles) -> Checkpoint:
    # MLX-LM of 2024 said DoRA by `use_dora`.
    kind = files.config.get("fine_tune_type", "dora" if files.config.get("use_dora") else "lora")
    if kind not in ("lora", "dora"):
        raise AdapterError(
            f"{files.source} has fine_tune_type {kind!r}, expected 'lora' or 'dora': its numbers would be misread"
        )
    factors, _ = pairs_by_path(files, _FACTOR, "ab")
    magnitudes = {path: f"{path}.m" for path in factors if f"{path}.m" in files.names}
    _check_magnitudes(files, kind, factors, magnitudes)
    scaling, rank = _scale(files), _rank(files)
    updates: dict[str, LowRank] = {}
    left_out: dict[str, str] = {}
    for path, found in factors.items():
        why = _why_not(files, path, found)
        if why:
            own = (*found.values(), *filter(None, [magnitudes.get(path)]))
            left_out |= dict.fromkeys(own, why)
            continue
        a, b = (files.factor(found[letter], transposed=True) for letter in "ab")
        if rank not in (None, a.shape[0]):
            raise AdapterError(
                f"{files.source}: {found['a']} is of rank {a.shape[0]} as MLX-LM has it, (in, rank), and lora_parameters of "
                f"adapter_config.json says {rank}: is it of another adapter, or are its factors turned over, as PEFT's?"
            )
        update = LowRank(a, b, scaling, (found["a"], found["b"]))
        if m := magnitudes.get(path):
            update = with_magnitude(files, update, m)
        updates[path] = update
    notes = tuple(_alpha_too(files, scaling, rank))
    caveats = (_QUANTISED,) if _is_quantised(files, updates) else ()
    return of_factors(
        files, updates, why=_rest, left_out=left_out, notes=notes, caveats=caveats, zero=_ZERO
    )


def _check_magnitudes(
    files: AdapterFiles,
    kind: str,
    factors: Mapping[str, Mapping[str, str]],
    magnitudes: Mapping[str, str],
) -> None:
    """DoRA's norms of the rows, ``PATH.m``: of every layer, or of none."""
    if kind == "lora" and magnitudes:
        raise AdapterError(
            f"{next(iter(magnitudes.values()))} of {files.source} is DoRA's, though fine_tune_type is 'lora'; keep the "
            f"configuration that MLX-LM wrote beside adapters.safetensors"
        )
    without = next((path for path in factors if path not in magnitudes), None)
    if kind == "dora" and without is not None:
        raise AdapterError(
            f"{files.source} has fine_tune_type 'dora', but {without} has no {without}.m, by which DoRA rescales the "
            f"rows of W0 + s·B·A"
        )


def _scale(files: AdapterFiles) -> float:
    said = files.config.get("lora_parameters")
    scale = said.get("scale") if isinstance(said, Mapping) else None
    if not isinstance(scale, (int, float)) or isinstance(scale, bool) or not math.isfinite(scale):
        raise AdapterError(
            f"{files.source}: the scale in lora_parameters of adapter_config.json is {scale!r}, expected a "
            f"number; keep the configuration that MLX-LM wrote beside adapters.safetensors{_of_mindformers(files)}"
        )
    return float(scale)


def _of_mindformers(files: AdapterFiles) -> str:
    """What is to be done with MindFormers' factors, which have MLX-LM's names and PEFT's axes, as the rest of a sentence."""
    if files.find(_MINDFORMERS) is None:
        return ""
    return (
        f"; by the {_MINDFORMERS} beside it these are MindFormers': save lora_a and lora_b as they lie as PEFT's lora_A and lora_B, beside "
        f"an adapter_config.json with its lora_rank as r and its lora_alpha"
    )


def _rank(files: AdapterFiles) -> int | None:
    """The one rank of all layers, where the configuration says it."""
    said = files.config.get("lora_parameters")
    rank = said.get("rank") if isinstance(said, Mapping) else None
    return rank if isinstance(rank, int) and not isinstance(rank, bool) and rank > 0 else None


def _is_quantised(files: AdapterFiles, paths: Iterable[str]) -> bool:
    """Whether W0 of one of the layers was."""
    said = files.config.get("base_quantization")
    return isinstance(said, Mapping) and any(path in said for path in paths)


def _alpha_too(files: AdapterFiles, scale: float, rank: int | None) -> Iterator[str]:
    """What an α beside the scale may have meant, in files of before MLX-LM said fine_tune_type."""
    alpha = files.config.get("lora_parameters", {}).get("alpha")
    known = isinstance(alpha, (int, float)) and not isinstance(alpha, bool) and math.isfinite(alpha)
    if known and rank and alpha != rank and "fine_tune_type" not in files.config:
        yield _ALPHA_TOO.format(alpha=alpha, scale=scale, then=scale * alpha / rank)


def _why_not(files: AdapterFiles, path: str, found: Mapping[str, str]) -> str | None:
    if is_table(path):
        return OF_A_TABLE
    # Of MLX-LM before October 2025 A of all experts is one matrix, and B a stack.
    if any(len(files.shape(found[letter])) > 2 for letter in "ab"):
        return "factor of stacked experts, not of a linear layer"
    return None


def _rest(name: str) -> str:
    if _OF_A_PART.search(name):
        return "factor of one part of a fused projection"
    return "trained in full, no low-rank factor"


FORMAT = Format(
    name="mlx_lora",
    title="MLX-LM's LoRA",
    matches=lambda files: files.holds(_FACTOR),
    read=_read,
    cannot="embeddings, stacked experts and fused projections of a pair a part are left out",
    stems=("adapters",),
)
