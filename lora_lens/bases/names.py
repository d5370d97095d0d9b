"""Which tensor of a base's files is a module's W0, whatever it is called there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from ..files.names import ROLES, split_layer
from ..files.peft_names import WRAPPERS
from .experts import slice_of
from .families import PREFIX_WORDS, PREFIXES
from .matching import by_end, match_in_base
from .newest import model_types, newest, rules_of
from .pieces import Slice
from .towers import taken_by, towers_in

_WEIGHT = ".weight"
_DENOISER = "unet."  # kohya's trainers' word for whatever denoises
_STACKED = re.compile(r"\.experts\.[a-z]\w*(\.weight)?$")
_WRAPPED = re.compile(rf"(?<![^.])({'|'.join(sorted(WRAPPERS))})\.")
_PREDICTORS = "mtp"  # of several tokens at once, with layers that are numbered from 0 again
_FUSED = re.compile(
    r"\.(w?qkv|w_qkv|Wqkv|qkv_proj|query_key_value|att_proj|in_proj_weight)(\.weight)?$"
)
_PROJECTED = re.compile(r"\.in_proj(\.weight)?$")  # a Mamba's has no query
_GATED = re.compile(
    r"(?<!\.experts)\.(gate_up_proj|up_gate_proj|w12|w13_dn|weights_in|ff_proj)(\.weight)?$"
)


class BaseNames:
    """The names of a base's tensors, and what a module's path can mean among them."""

    def __init__(self, names: Collection[str], config: Mapping[str, Any]) -> None:
        self._names = names
        types = model_types(config)
        own = {PREFIXES.get(one) or one.replace("-", "_") for one in types}
        self._prefixes = own or PREFIX_WORDS
        wrapped = ((_WRAPPED, ""),) * any(map(_WRAPPED.search, names))
        self._rules = (*wrapped, *rules_of(types))
        self._takes = taken_by(config)
        self._doubtful = set() if types else {"image", "sound"}

    def find(self, path: str) -> list[str]:
        """Every tensor that the module at `path` can mean; it is right where this is one.

        The path itself wins; then the same path under its newest name; then what is left of either
        side's newest name when prefixes are taken away (`match_in_base`), of which all are given.
        Names of old are not shortened: a tower's path without its tower may be one of the text model.
        Nor is the module of an image tower sought in a text model, or the other way round; without a
        configuration that would tell, an image tower's keeps its tower's name. So does a predictor's of several
        tokens at once, whose layers are no others'.

        Example:
            >>> names = BaseNames(["encoder.layer.0.output.dense.weight"], {"model_type": "vit"})
            >>> names.find("vit.layers.0.mlp.fc2")
            ['encoder.layer.0.output.dense.weight']

        Last comes a path whose dots kohya's trainers have written as ``_`` and of which not all were put back.
        """
        towers = towers_in(path)
        others = towers - self._takes if self._takes else towers & self._doubtful
        found = self._find(path) or self._flattened(path)
        found = [name for name in found if others <= towers_in(name)]
        if _PREDICTORS in path.split("."):
            return [name for name in found if _PREDICTORS in name.split(".")]
        return [name for name in found if not name.startswith(f"{_PREDICTORS}.")] or found

    def _flattened(self, path: str) -> list[str]:
        rest = path.removeprefix(_DENOISER)
        if rest == path:
            return []
        return self._by_flat.get(f"{rest}{_WEIGHT}".replace(".", "_"), [])

    @cached_property
    def _by_flat(self) -> dict[str, list[str]]:
        """A name with ``_`` for its dots → the names that become it."""
        found: dict[str, list[str]] = {}
        for name in sorted(self._names):
            found.setdefault(name.replace(".", "_"), []).append(name)
        return found

    def _find(self, path: str) -> list[str]:
        wanted = path + _WEIGHT
        if wanted not in self._names and path in self._names:  # a parameter, as DBRX's experts are
            return [path]
        if not self._rules or wanted in self._names:
            return match_in_base(path, self._names, self._prefixes, self._ends)
        renamed = newest(wanted, self._rules)
        if renamed in self._by_newest:
            return self._by_newest[renamed]
        path = renamed.removesuffix(_WEIGHT)
        found = match_in_base(path, self._by_newest, self._prefixes, self._newest_ends)
        return sorted(name for one in found for name in self._by_newest[one])

    def slice_of(self, path: str) -> Slice | None:
        """The stack that one expert's matrix is a slice of, by its name or by its newest."""
        found = slice_of(path, self._names)
        if found is not None or not self._rules:
            return found
        newer = slice_of(newest(path, self._rules), self._by_newest)
        stacks = self._by_newest[newer.name] if newer else []
        return Slice(stacks[0], newer.expert) if newer and len(stacks) == 1 else None

    def joined(self, path: str) -> str | None:
        """A tensor of the same layer that may hold a module with others: stacked experts, a fused projection."""
        layer, last = split_layer(path), path.rpartition(".")[2]
        if layer is None:
            return None
        if ".experts." in path:
            holds = _STACKED
        elif last in ("gate_proj", "up_proj") and "attn" not in path:
            holds = _GATED
        elif last.startswith("in_proj_"):
            holds = _PROJECTED
        elif any(last in ROLES[role] for role in ("query", "key", "value")):
            holds = _FUSED
        else:
            return None
        numbered = ((name, split_layer(name)) for name in sorted(self._names))
        return next(
            (name for name, of in numbered if of and of[1] == layer[1] and holds.search(name)), None
        )

    @cached_property
    def _ends(self) -> dict[str, list[str]]:
        return by_end(self._names)

    @cached_property
    def _newest_ends(self) -> dict[str, list[str]]:
        return by_end(self._by_newest)

    @cached_property
    def _by_newest(self) -> dict[str, list[str]]:
        """Newest name → the names that became it: one, where the rules tell modules apart."""
        found: dict[str, list[str]] = {}
        for name in sorted(self._names):
            found.setdefault(newest(name, self._rules), []).append(name)
        return found
