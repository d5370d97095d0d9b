"""LoRA of AdapterHub's library ``adapters``: ``….query.loras.NAME.lora_A``, settings in ``adapter_config.json``.

GPT-2's ``c_attn`` has the trained ones of query, key and value below each other, as loralib has them.
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
from .factor_pairs import pairs_by_path
from .format import Checkpoint, Format, of_factors
from .merged import by_role, in_fused
from .peft_settings import Scaling

_FACTOR = re.compile(r"(?P<path>.+)\.loras\.(?P<adapter>[^.]+)\.lora_(?P<factor>[AB])")
_MERGED = "c_attn"
_ROLES = {"q": "query", "k": "key", "v": "value"}
# Settings under which the update is not s·B·A.
_OTHERS = {
    "use_gating": "a gate multiplies its output, by the input",
    "use_dora": "DoRA rescales every row of W0 + s·B·A",
    "vera_d": "VeRA's factors are random and shared",
}


def _matches(files: AdapterFiles) -> bool:
    return any(_FACTOR.fullmatch(name) for name in files.names)


def _read(files: AdapterFiles) -> Checkpoint:
    settings = _settings(files)
    factors, _ = pairs_by_path(files, _FACTOR)
    scaling = Scaling({"r": settings.get("r"), "lora_alpha": settings.get("alpha")})
    updates: dict[str, LowRank] = {}
    for path, names in factors.items():
        parent, dot, last = path.rpartition(".")
        if last != _MERGED:
            a, b = (files.factor(names[letter]) for letter in "AB")
            s = scaling.of(path, a.shape[0])
            updates[path] = LowRank(a, b, s, (names["A"], names["B"]))
            continue
        said = settings.get("attn_matrices")
        trained = [
            role for letter, role in _ROLES.items() if isinstance(said, list) and letter in said
        ]
        block = files.shape(names["B"])[0] // max(len(trained), 1)
        parts = Layout(1, tuple((role, block) for role in _ROLES.values())).parts()
        held = {role: parts[role] for role in trained}
        for role, update in by_role(files, path, names, held, scaling.of):
            updates[f"{parent}{dot}{role}"] = in_fused(update, path, held[role])
    found = of_factors(files, updates, method="lora", title="LoRA", why=_rest)
    return replace(found, base=files.text("model_name"))


def _settings(files: AdapterFiles) -> Mapping[str, Any]:
    said = files.config.get("config")
    if not isinstance(said, Mapping) or said.get("architecture") != "lora":
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


def _rest(_: str) -> str:
    return "no low-rank factor of a layer"


FORMAT = Format(
    name="adapterhub",
    title="AdapterHub's LoRA",
    matches=_matches,
    read=_read,
    cannot="(IA)³, gates, DoRA and VeRA are refused; prediction heads are files of their own",
    stems=("pytorch_adapter", "adapter"),
)
