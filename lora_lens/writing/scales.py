"""Where a file says s of every module, once their ranks are others: its tensors of α, its configuration, or nowhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..formats.peft.keys import as_saved, pattern_keys

# Settings of what the weights began with, which PEFT warns of beside another start; and what each is without them.
_OF_THE_START: Mapping[str, Any] = {
    "eva_config": None, "corda_config": None, "lora_ga_config": None, "loftq_config": {},
}  # fmt: skip
_SUMS = ("sshs_", "modelspec.hash_")
_ARGUMENTS = "ss_network_args"
# What LyCORIS's and kohya's arguments say of ranks and α, of which some other one is now.
_OF_RANKS = frozenset(
    f"{of}{what}"
    for of in ("conv_", "block_", "conv_block_")
    for what in ("dim", "alpha", "dims", "alphas")
)


@dataclass(frozen=True)
class NewRank:
    """A module's rank and scale.

    Attributes:
        rank: k.
        scaling: s.
    """

    rank: int
    scaling: float

    @property
    def alpha(self) -> float:
        """s·k, so that α/k is s."""
        return as_saved(self.scaling * self.rank)


def peft_settings(settings: Mapping[str, Any], ranks: Mapping[str, NewRank]) -> dict[str, Any]:
    """PEFT's configuration for these ranks: the commonest as ``r`` and ``lora_alpha``, the others as patterns.

    Args:
        settings: The configuration so far.
        ranks: Module path to what it has now.

    Example:
        >>> found = peft_settings({"r": 8, "use_rslora": True}, {"q": NewRank(2, 1.0), "v": NewRank(2, 1.0), "o": NewRank(3, 1.0)})
        >>> found["r"], found["lora_alpha"], found["rank_pattern"], found["alpha_pattern"], found["use_rslora"]
        (2, 2, {'o': 3}, {'o': 3}, False)
    """
    keys = pattern_keys(list(ranks))
    some = Counter((one.rank, one.alpha) for one in ranks.values() if one.rank)
    (rank, alpha), _ = some.most_common(1)[0]
    return {
        **settings,
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": False,  # α/r is s as it is
        "init_lora_weights": True,  # what the weights began with is not asked again
        **{key: empty for key, empty in _OF_THE_START.items() if key in settings},
        "rank_pattern": {keys[p]: one.rank for p, one in ranks.items() if one.rank != rank},
        "alpha_pattern": {keys[p]: one.alpha for p, one in ranks.items() if one.alpha != alpha},
    }


def parts_settings(
    parts: Mapping[str, Mapping[str, Any]], ranks: Mapping[str, NewRank]
) -> dict[str, Any]:
    """`peft_settings` of each part of a pipeline in one object, as diffusers has it in a file's header.

    Args:
        parts: What a part's paths begin with, to its settings.
        ranks: As there.

    Example:
        >>> found = parts_settings({"unet.": {"r": 8}}, {"unet.q": NewRank(2, 0.5), "text_encoder.q": NewRank(3, 1.0)})
        >>> found["unet.r"], found["unet.lora_alpha"], found["unet.rank_pattern"]
        (2, 1, {})
    """
    found: dict[str, Any] = {}
    for root, settings in parts.items():
        own = {path.removeprefix(root): one for path, one in ranks.items() if path.startswith(root)}
        new = peft_settings(settings, own) if own else settings
        found |= {f"{root}{key}": value for key, value in new.items()}
    return found


def header_settings(header: Mapping[str, str], ranks: Mapping[str, NewRank]) -> dict[str, str]:
    """A trainer's header for these ranks: what it says of ranks and α is true again, and sums of the old bytes are gone.

    Example:
        >>> header_settings({"ss_network_dim": "16", "sshs_model_hash": "ab", "ss_seed": "1"}, {"q": NewRank(4, 0.5)})
        {'ss_network_dim': '4', 'ss_seed': '1'}
    """
    found = {key: text for key, text in header.items() if not key.startswith(_SUMS)}
    said = {
        "ss_network_dim": {float(one.rank) for one in ranks.values()},
        "ss_network_alpha": {one.alpha for one in ranks.values()},
    }
    for key, values in said.items():
        if key in found:
            found[key] = f"{values.pop():g}" if len(values) == 1 else "Dynamic"
    if _ARGUMENTS in found:
        found[_ARGUMENTS] = _without_ranks(found[_ARGUMENTS])
    return found


def _without_ranks(text: str) -> str:
    """A trainer's arguments, a JSON object, without those of ranks; the text as it is where it has none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(said, dict) or _OF_RANKS.isdisjoint(said):
        return text
    return json.dumps({key: value for key, value in said.items() if key not in _OF_RANKS})
