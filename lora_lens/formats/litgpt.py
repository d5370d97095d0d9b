"""LoRA as LitGPT saves it: ``lit_model.pth.lora``, with ``hyperparameters.yaml`` and ``model_config.yaml`` beside it.

``transformer.h.0.attn.qkv`` has query, key and value below each other, each with factors of its own, and
``attn.attn`` of older files has them group by group. Where the model that it was converted from has the
three apart (Llama and those made like it), modules are called as there, so that W0 is found in its files;
else by LitGPT's names, as they are in its ``lit_model.pth``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ..adapter import FusedRows
from ..bases.fused import Layout
from ..errors import AdapterError
from ..files.mapped import version_of
from ..printable import first_line
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.factor_pairs import pairs_by_path
from .factors.merged_linear import by_role, in_fused
from .format import ZERO_FOR, Checkpoint, Format, of_factors

_FACTOR = re.compile(r"(?P<path>.+)\.lora_(?P<factor>[AB])")
_MODULE = re.compile(
    r"(transformer\.h\.[0-9]+\.(attn\.(qkv|attn|proj)|mlp\.(fc|fc_1|fc_2|proj|gate|experts\.[0-9]+\.\w+))|lm_head)"
    r"\.lora_[AB]"
)
_MIXED = (
    "of query, key and value that were trained together: LitGPT before 0.5.5 added their rows in turn to a W0 that has them group "
    "by group, so that no role has factors of its own"
)
_SETTINGS, _MODEL = "hyperparameters.yaml", "model_config.yaml"
_ROLES = ("query", "key", "value")
# LitGPT's classes of the MLP of models that have query, key and value apart; Phi's have not.
_APART = ("LLaMAMLP", "GemmaMLP", "LLaMAMoE")
_RENAMED = (
    (r"transformer\.h\.([0-9]+)\.attn\.proj", r"model.layers.\1.self_attn.o_proj"),
    (r"transformer\.h\.([0-9]+)\.mlp\.fc_1", r"model.layers.\1.mlp.gate_proj"),
    (r"transformer\.h\.([0-9]+)\.mlp\.fc_2", r"model.layers.\1.mlp.up_proj"),
    (r"transformer\.h\.([0-9]+)\.mlp\.proj", r"model.layers.\1.mlp.down_proj"),
    (r"transformer\.h\.([0-9]+)\.mlp\.gate", r"model.layers.\1.block_sparse_moe.gate"),
    (r"transformer\.h\.([0-9]+)\.mlp\.experts\.([0-9]+)\.fc_1", r"model.layers.\1.block_sparse_moe.experts.\2.w1"),
    (r"transformer\.h\.([0-9]+)\.mlp\.experts\.([0-9]+)\.fc_2", r"model.layers.\1.block_sparse_moe.experts.\2.w3"),
    (r"transformer\.h\.([0-9]+)\.mlp\.experts\.([0-9]+)\.proj", r"model.layers.\1.block_sparse_moe.experts.\2.w2"),
)  # fmt: skip
# Of Qwen 3, whose experts are called otherwise than Mixtral's.
_RENAMED_QWEN3 = (
    (r"transformer\.h\.([0-9]+)\.mlp\.gate", r"model.layers.\1.mlp.gate"),
    (
        r"transformer\.h\.([0-9]+)\.mlp\.experts\.([0-9]+)\.fc_1",
        r"model.layers.\1.mlp.experts.\2.gate_proj",
    ),
    (
        r"transformer\.h\.([0-9]+)\.mlp\.experts\.([0-9]+)\.fc_2",
        r"model.layers.\1.mlp.experts.\2.up_proj",
    ),
    (
        r"transformer\.h\.([0-9]+)\.mlp\.experts\.([0-9]+)\.proj",
        r"model.layers.\1.mlp.experts.\2.down_proj",
    ),
)


class _Model(NamedTuple):
    """What ``model_config.yaml`` says: shapes, how the original names its modules where it has the roles apart, and its hub id."""

    heads: int
    groups: int
    size: int
    apart: bool
    renamed: tuple[tuple[str, str], ...]
    base: str | None

    def parts(self, trained: Mapping[str, bool], *, in_turn: bool) -> dict[str, FusedRows]:
        """The trained roles' rows of the fused matrix."""
        blocks = 1 if in_turn else self.groups
        keys = self.groups * self.size // blocks
        rows = zip(_ROLES, (self.heads * self.size // blocks, keys, keys), strict=True)
        return {
            role: part
            for role, part in Layout(blocks, tuple(rows)).parts().items()
            if trained[role]
        }


def is_litgpts(files: AdapterFiles) -> bool:
    """Whether the files are of this format."""
    return not files.config and files.holds(_MODULE)


def _read(files: AdapterFiles) -> Checkpoint:
    factors, _ = pairs_by_path(files, _FACTOR)
    settings = _yaml(files, _SETTINGS)
    scaling = partial(_scaling, files.source, settings)
    trained = {role: settings.get(f"lora_{role}") is True for role in _ROLES}
    fused = any(path.endswith((".attn.qkv", ".attn.attn")) for path in factors)
    model = _model(files) if fused or (files.find(_MODEL) is not None) else None
    updates: dict[str, LowRank] = {}
    left_out: dict[str, str] = {}
    for path, names in factors.items():
        if model is not None and path.endswith((".attn.qkv", ".attn.attn")):
            in_turn = path.endswith("qkv")
            if not in_turn and model.groups > 1 and all(trained.values()):
                left_out |= dict.fromkeys(names.values(), _MIXED)
                continue
            parts = model.parts(trained, in_turn=in_turn)
            for role, update in by_role(files, path, names, parts, scaling):
                if model.apart:
                    updates[f"model.layers.{path.split('.')[2]}.self_attn.{role[0]}_proj"] = update
                else:
                    updates[f"{path.rpartition('.')[0]}.{role}"] = in_fused(
                        update, path, parts[role]
                    )
            continue
        a, b = (files.factor(names[letter]) for letter in "AB")
        s = scaling(path, a.shape[0])
        renamed = _renamed(path, model.renamed) if model and model.apart else path
        updates[renamed] = LowRank(a, b, s, (names["A"], names["B"]))
    notes = (
        ()
        if model is None or not model.apart
        else ("modules are called as in the model that LitGPT converted, of which W0 is",)
    )
    found = of_factors(
        files,
        updates,
        why="no low-rank factor of a layer",
        notes=notes,
        left_out=left_out,
        zero=f"lora_alpha is 0 in {_SETTINGS} {ZERO_FOR}",
    )
    return replace(found, base=model.base if model else None)


def _scaling(source: str, settings: Mapping[str, Any], path: str, rank: int) -> float:
    said, alpha = settings.get("lora_r"), settings.get("lora_alpha")
    if rank != said or not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
        raise AdapterError(
            f"{source}: {path} has rank {rank}, and {_SETTINGS} says lora_r {said!r} and lora_alpha {alpha!r}; "
            f"expected that rank and a number: is it of another adapter?"
        )
    return alpha / rank


def _renamed(path: str, rules: tuple[tuple[str, str], ...]) -> str:
    for old, new in rules:
        if found := re.fullmatch(old, path):
            return found.expand(new)
    return path


def _model(files: AdapterFiles) -> _Model:
    config = _yaml(files, _MODEL)
    names = ("n_head", "n_query_groups", "head_size")
    sizes = [config.get(name) for name in names]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise AdapterError(
            f"{files.source}: {_MODEL} says {', '.join(names)} are {sizes}, expected whole numbers"
        )
    heads, groups, size = (int(size) for size in sizes if size is not None)
    if heads % groups:
        raise AdapterError(f"{files.source}: {_MODEL} says {heads} heads of {groups} groups")
    name = str(config.get("name")).lower()
    apart = config.get("mlp_class_name") in _APART and not name.startswith("phi")
    rules = (*_RENAMED_QWEN3, *_RENAMED) if name.startswith("qwen3") else _RENAMED
    origin = config.get("hf_config")
    named = [origin.get(key) for key in ("org", "name")] if isinstance(origin, dict) else []
    known = [one for one in named if isinstance(one, str) and one]
    base = "/".join(known) if len(known) == len(("org", "name")) else None
    return _Model(heads, groups, size, apart, rules, base)


def _yaml(files: AdapterFiles, name: str) -> Mapping[str, Any]:
    import yaml

    path = files.find(name)
    if path is None:
        raise AdapterError(
            f"{files.source} has no {name} beside it, which LitGPT writes there and which says its scale and "
            f"shapes; put it into the same folder"
        )
    try:
        files.also[path] = version_of(path)
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise AdapterError(f"{path} is not readable YAML: {first_line(error)}") from None
    if not isinstance(found, dict):
        raise AdapterError(f"{path} holds a {type(found).__name__}, expected settings by name")
    return found


FORMAT = Format(
    name="litgpt",
    title="LitGPT's LoRA",
    matches=is_litgpts,
    read=_read,
    cannot="query, key and value that LitGPT before 0.5.5 trained together are left out",
    stems=("lit_model.pth",),
)
