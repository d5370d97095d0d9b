"""PEFT's settings of LoRA: what makes an update something else than s·B·A, and s by its patterns."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any

from ...errors import AdapterError
from ...several import counted
from .patterns import Patterns, patterns_of

# Settings under which an update is not s·B·A, whoever reads it.
_NEVER_PLAIN: Mapping[str, str] = {
    "use_qalora": "QA-LoRA takes means of inputs before A of GPTQ's layers, which PEFT does not merge; where A is as wide as its layer "
    "PEFT trained plain LoRA: set use_qalora to false there",
    "use_qa_lora": "ms-swift's QA-LoRA takes means of inputs before A of GPTQ's layers, so that A is narrower than its layer",
    "kasa_config": "KaSA cuts W0's smallest singular values off and adds some between B and A",
    "monteclora_config": "MonteCLoRA samples its factors",
    "arrow_config": "Arrow sends every token to other adapters, and has no ΔW of its own: read those",
    "use_mora": "MoRA's update is no product of two factors",
    "enable_lora": "PEFT before 0.3 trained blocks of a fused projection by one grouped convolution; merge it there",
}
# What only the format of PEFT's LoRA knows how to read.
_OF_LORA: Mapping[str, str] = {
    "use_dora": "DoRA rescales every row of W0 + s·B·A",
    "use_bdlora": "BD-LoRA's factors are block-diagonal",
    "target_parameters": "its factors target stacked expert parameters, not linear layers",
    "layer_replication": "its layers are replicas that the base model does not name",
}
ADALORA_EPSILON = 1e-5  # what PEFT adds to the rank that it divides AdaLoRA's α by
# What every question has to say where s is 0, as `lora_lens.formats.format.of_factors` takes it.
ZERO = (
    "α is 0 in adapter_config.json for {of}, and so is their s·B·A, as where PEFT loads it: with that nothing is trained, and "
    "verl's merger, for one, writes a lora_alpha of 0 where it does not know α. Where it was trained with another, put that there"
)
_SWITCHES = ("use_rslora", "use_dora", "fan_in_fan_out")
_CHANGED_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
# What leaves W0 as it is, by PEFT's names and those of words that configurations have for its own.
_PLAIN_STARTS = frozenset(
    {"gaussian", "eva", "orthogonal", "mica", "true", "false", "default", "kaiming", "none", ""}
)


def check_plain(config: Mapping[str, Any], source: str) -> None:
    """Refuse settings under which reading s·B·A would give wrong numbers.

    Raises:
        AdapterError: DoRA, PiSSA and the like; the message says what the update is instead.
    """
    check_readable(config, source)
    _refuse(_OF_LORA, config, source)
    scheme = changed_base(config)
    if scheme:
        raise AdapterError(f"{source} {minus_the_initial(scheme)}")


def check_lora(config: Mapping[str, Any], source: str) -> None:
    """Refuse settings of PEFT's LoRA that its format does not read.

    Raises:
        AdapterError: There is one.
    """
    check_readable(config, source)
    if config.get("use_dora") and changed_base(config):
        raise AdapterError(
            f"{source} is DoRA initialised by {changed_base(config)!r}, so that the rows it rescales are not those "
            f"of W0 + s·B·A; merge it in PEFT"
        )


def check_readable(config: Mapping[str, Any], source: str) -> None:
    """Refuse settings under which there is no update that lora-lens knows.

    Raises:
        AdapterError: QA-LoRA and the like; the message says what the update is instead.
    """
    _refuse(_NEVER_PLAIN, config, source)
    for key in _SWITCHES:
        if not isinstance(config.get(key), (bool, int, NoneType)):
            raise AdapterError(
                f"{key} of {source} is {str(config[key])[:60]!r}, expected true or false in adapter_config.json"
            )
    init = config.get("init_lora_weights")
    plain = isinstance(init, (bool, NoneType)) or str(init).lower() in _PLAIN_STARTS
    if not plain and not changed_base(config):
        raise AdapterError(
            f"{source} says init_lora_weights {str(init)[:60]!r}, which is none of PEFT's: if it took a part of W0 into the first "
            f"B·A, as PiSSA does, ΔW is no s·B·A; if W0 stayed as it was, set it to true in adapter_config.json"
        )


def _refuse(settings: Mapping[str, str], config: Mapping[str, Any], source: str) -> None:
    for key, why in settings.items():
        if config.get(key):
            raise AdapterError(f"{source} sets {key}: {why}; lora-lens would misread it")


def changed_base(config: Mapping[str, Any]) -> str | None:
    """The initialisation that took a part of W0 into B₀·A₀, so that ΔW is no s·B·A; None of others.

    Those (``eva``, ``orthogonal``, ``mica``, ``gaussian``) leave W0 as it is, and begin with B·A = 0.

    Example:
        >>> changed_base({"init_lora_weights": "pissa_niter_16"}), changed_base({"init_lora_weights": "eva"})
        ('pissa', None)
    """
    init = config.get("init_lora_weights")
    # PEFT ignores case too, and ms-swift writes ``lora-ga``.
    said = init.lower().replace("-", "_") if isinstance(init, str) else ""
    return next((one for one in _CHANGED_BASE if said.startswith(one)), None)


def matched_otherwise(config: Mapping[str, Any]) -> Iterator[str]:
    """What has to be said of patterns that the PEFT which trained the adapter met otherwise than PEFT does today.

    Before 0.15 an entry stood in an expression without parentheses and behind a dot, so that ``^q`` met nothing
    and ``q|v`` no v; before 0.14 α was that of the first entry of both patterns, and the default where it is of
    the ranks' alone: today's where both have the same entries, as mergekit writes them. No file says its version then,
    but each field that PEFT had is in what it wrote.

    Example:
        >>> written = {"inference_mode": True, "exclude_modules": None, "alpha_pattern": {"q|v": 64}}
        >>> [said[:40] for said in matched_otherwise(written)]
        ['saved by a PEFT before 0.15, which met a']
        >>> list(matched_otherwise(written | {"trainable_token_indices": None}))
        []
    """
    ranks, alphas = (config.get(f"{one}_pattern") for one in ("rank", "alpha"))
    if "inference_mode" not in config or "trainable_token_indices" in config or not alphas:
        return
    if "exclude_modules" not in config and ranks and list(ranks) != list(alphas):
        what = "before 0.14, which took the default α where an entry of rank_pattern met first"
    elif isinstance(alphas, Mapping) and any("|" in text or "^" in text for text in alphas):
        what = "before 0.15, which met alpha_pattern's ^ and | otherwise"
    else:
        return
    yield f"saved by a PEFT {what}: s is what PEFT makes of its file since, and may not be that of training"


def matched_twice(
    config: Mapping[str, Any], paths: Iterable[str], key: str = "alpha_pattern"
) -> int:
    """How many modules two entries of a pattern with different values match, in an order that PEFT may have made.

    PEFT takes the first, and sorts the entries when it saves: the first of the file need not be that of training.

    Example:
        >>> written = {"alpha_pattern": {"layer.0.q": 4, "q": 8}}
        >>> matched_twice(written, ["layer.0.q", "layer.1.q"])
        1
    """
    entries = config.get(key)
    if not isinstance(entries, Mapping) or len(entries) < 2 or list(entries) != sorted(entries):
        return 0
    patterns = patterns_of(entries)
    try:
        return sum(map(patterns.are_two_of, paths))
    except AdapterError:  # too many to try all of them on every path; s needs but the first
        return 0


def twice_said(config: Mapping[str, Any], paths: Iterable[str]) -> Iterator[str]:
    """What has to be said of modules that `matched_twice` counts."""
    if twice := matched_twice(config, paths):
        yield (
            f"two entries of alpha_pattern match {counted(twice, 'module')}, with different α: s is by the first, as PEFT has it; "
            f"PEFT sorts them when it saves, and in training another may have been the first"
        )


def matched_nowhere(config: Mapping[str, Any], paths: Collection[str]) -> Iterator[str]:
    """What has to be said of entries of ``rank_pattern`` and ``alpha_pattern`` that match no module: a misspelt name.

    Example:
        >>> patterns = {"alpha_pattern": {"q_pro": 32, "q_proj": 8}}
        >>> [said[:38] for said in matched_nowhere(patterns, ["layers.0.q_proj"])]
        ['no module of the file matches q_pro of']
    """
    said = []
    for key in ("rank_pattern", "alpha_pattern"):
        try:
            entries = patterns_of(config.get(key)).without_match(paths)
        except AdapterError:  # too many to try, where those that count have been
            continue
        if entries:
            more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
            said.append(f"{', '.join(entries[:3])}{more} of {key}")
    if said:
        yield (
            f"no module of the file matches {' and '.join(said)}: PEFT takes an entry for the end of a module's path, after "
            f"a dot, and the default where none is"
        )


def minus_the_initial(scheme: str) -> str:
    """What such an adapter is, and what to do: the rest of a sentence about it."""
    if scheme == "loftq":
        return (
            "was initialised by 'loftq', which quantised W0 too, so its update is over another base, which no "
            "file of an adapter holds: save that base (model.unload().save_pretrained(…)) and the adapter with "
            "init_lora_weights=True, and pass the base as --base"
        )
    return (
        f"was initialised by {scheme!r}, so its update is B·A minus the initial B₀·A₀: put the initial adapter, as "
        f"saved before training, into the folder that the adapter is saved in, as {scheme}_init, or convert it: "
        f"model.save_pretrained(…, path_initial_model_for_weight_conversion=…)"
    )


@dataclass(frozen=True)
class Scaling:
    """s of every module, by PEFT's rules.

    Attributes:
        config: The whole ``adapter_config.json``.
    """

    config: Mapping[str, Any]

    def rank(self, path: str) -> int:
        """The rank that the configuration says one module has.

        Raises:
            AdapterError: It is no whole number above 0.
        """
        found = self._ranks.of(path, self.config.get("r", 8))
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise AdapterError(f"the rank of {path} is {found!r}, expected a whole number above 0")
        return found

    def of(self, path: str, rank: int, alpha: float | None = None) -> float:
        """s of one module.

        Args:
            path: Of the module.
            rank: Of its tensors.
            alpha: From a tensor of the file, which goes before the configuration.

        Raises:
            AdapterError: The tensors' rank is not what the configuration says it is, or α is no number.
        """
        if alpha is None:
            expected = self._ranks.of(path, self.config.get("r", 8))
            if rank != expected or rank == 0:
                raise AdapterError(
                    f"{path} has rank {rank}, but adapter_config.json says {expected!r}"
                )
            alpha = self._alphas.of(path, self.config.get("lora_alpha", 8))
        if (
            not isinstance(alpha, (int, float))
            or isinstance(alpha, bool)
            or not math.isfinite(alpha)
        ):
            raise AdapterError(f"lora_alpha of {path} is {alpha!r}, expected a finite number")
        return alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank

    @cached_property
    def _ranks(self) -> Patterns:
        return patterns_of(self.config.get("rank_pattern"))

    @cached_property
    def _alphas(self) -> Patterns:
        return patterns_of(self.config.get("alpha_pattern"))
