"""LoRA and DoRA of AdapterHub's library ``adapters``: ``….query.loras.NAME.lora_A``, settings in ``adapter_config.json``.

A fused projection has the trained ones of query, key and value below each other, as loralib has them. DoRA's
norms, ``….loras.NAME.m.weight``, are taken where it trains of W0 + B·A, without s, and rescale W0 + s·B·A.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..bases.fused import Layout
from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.derived import below, side_by_side
from .factors.dora import with_magnitude
from .factors.factor_pairs import pairs_by_path
from .factors.merged_linear import by_role, in_fused
from .format import Checkpoint, Format, of_factors
from .peft.settings import Scaling

_FACTOR = re.compile(r"(?P<path>.+)\.loras\.(?P<adapter>[^.]+)\.lora_(?P<factor>[AB])")
_MAGNITUDE = re.compile(r"(?P<path>.+)\.loras\.[^.]+\.m\.weight")
_MERGED = ("c_attn", "Wqkv", "qkv")
# DeBERTa's lies head by head, and the library changes thirds of it all the same: no role's rows.
_WHOLE = "in_proj"
_ROLES = {"q": "query", "k": "key", "v": "value"}
_UNUSED = "DoRA's norms of a fused projection, which the library adapters does not rescale by them"
_OF_TRAINING = (
    "DoRA as the library adapters trains it, with norms of W0 + B·A, without s; its merge_adapter leaves s out of the "
    "update too, so that a merged model is another one"
)
# Settings under which the update is not s·B·A.
_OTHERS = {
    "use_gating": "a gate multiplies its output, by the input",
    "vera_d": "VeRA's factors are random and shared",
}


def _read(files: AdapterFiles) -> Checkpoint:
    settings = _settings(files)
    factors, others = pairs_by_path(files, _FACTOR)
    magnitudes = {match["path"]: name for name in others if (match := _MAGNITUDE.fullmatch(name))}
    scaling = Scaling({"r": settings.get("r"), "lora_alpha": settings.get("alpha")})
    updates: dict[str, LowRank] = {}
    for path, names in factors.items():
        parent, dot, last = path.rpartition(".")
        if last not in (*_MERGED, _WHOLE):
            a, b = (files.factor(names[letter]) for letter in "AB")
            s = scaling.of(path, a.shape[0])
            update = LowRank(a, b, s, (names["A"], names["B"]))
            dora = settings.get("use_dora")
            updates[path] = _rescaled(files, path, update, magnitudes) if dora else update
            continue
        said = settings.get("attn_matrices")
        trained = [
            role for letter, role in _ROLES.items() if isinstance(said, list) and letter in said
        ]
        block = files.shape(names["B"])[0] // max(len(trained), 1)
        parts = Layout(1, tuple((role, block) for role in _ROLES.values())).parts()
        held = {role: parts[role] for role in trained}
        roles = {
            role: in_fused(update, path, held[role])
            for role, update in by_role(files, path, names, held, scaling.of)
        }
        if last == _WHOLE:
            updates[path] = _together(list(roles.values()))
        else:
            updates |= {f"{parent}{dot}{role}": update for role, update in roles.items()}
    other = any(update.norm_scaling is not None for update in updates.values())
    found = of_factors(
        files,
        updates,
        why="no low-rank factor of a layer",
        left_out={name: _UNUSED for path, name in magnitudes.items() if _is_merged(path)},
        notes=(_OF_TRAINING,) if other else (),
    )
    return replace(found, base=files.text("model_name"))


def _is_merged(path: str) -> bool:
    return path.rpartition(".")[2] in (*_MERGED, _WHOLE)


def _together(roles: list[LowRank]) -> LowRank:
    """Updates of rows of one projection as one of all."""
    one = replace(roles[0], role=None)
    for other in roles[1:]:
        one = replace(one, a=below(one.a, other.a), b=side_by_side(one.b, other.b))
    return one


def _rescaled(
    files: AdapterFiles, path: str, update: LowRank, magnitudes: Mapping[str, str]
) -> LowRank:
    """The update with its layer's norms."""
    if path not in magnitudes:
        raise AdapterError(
            f"{files.source} says use_dora, but {path} has no m, by which DoRA rescales the rows of W0 + s·B·A; save the "
            f"adapter again"
        )
    if files.text("model_type") == "gpt2":
        raise AdapterError(
            f"{files.source} is DoRA of GPT-2's {path}, whose W0 lies turned: the library adapters takes norms of its "
            f"columns and rescales its rows by them, and its merge does otherwise; no ΔW is both, so leave it out"
        )
    norm_scaling = None if update.scaling == 1 else 1.0
    return replace(with_magnitude(files, update, magnitudes[path]), norm_scaling=norm_scaling)


def _settings(files: AdapterFiles) -> Mapping[str, Any]:
    said = files.config.get("config")
    kind = said.get("architecture") if isinstance(said, Mapping) else None
    if kind not in (None, "lora"):
        raise AdapterError(
            f"{files.source} is of the library adapters' architecture {kind!r}, whose update is no s·B·A of LoRA alone; expected "
            f"'lora'"
        )
    if not isinstance(said, Mapping) or kind is None:
        raise AdapterError(
            f"{files.source}: adapter_config.json has no LoRA's settings under config, which the library "
            f"adapters writes there; put the adapter's own beside it"
        )
    if (mode := said.get("composition_mode", "add")) != "add":
        raise AdapterError(
            f"{files.source} has composition_mode {mode!r}, as (IA)³ has: its ΔW is made of W0"
        )
    for key, why in _OTHERS.items():
        if said.get(key):
            raise AdapterError(f"{files.source} sets {key}: {why}; lora-lens would misread it")
    return said


FORMAT = Format(
    name="adapterhub",
    title="AdapterHub's LoRA or DoRA",
    matches=lambda files: files.holds(_FACTOR),
    read=_read,
    cannot="(IA)³, gates and VeRA are refused, and DoRA of GPT-2's; prediction heads are files of their own",
    stems=("pytorch_adapter", "adapter"),
)
