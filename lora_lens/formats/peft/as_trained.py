"""What one of PEFT's other methods had in every module, by the rules of the PEFT that trained it.

LoHa and LoKr of before 0.14 are told by the fields that their configurations had; PEFT writes its version
since 0.18.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...errors import AdapterError
from ...several import counted
from ..adapter_files import AdapterFiles
from .patterns import AFTER_A_DOT, LYCORIS_BEFORE_0_15, TODAY, Patterns, Rule, patterns_of
from .settings import twice_said

_AFTER_A_DOT = ("C3A", "FOURIERFT")
_LYCORIS = ("LOHA", "LOKR")
_RANK, _ALPHA = "rank_pattern", "alpha_pattern"
_DEFAULT = 8  # PEFT's, of r and of α


def settings_of(
    files: AdapterFiles, keys: Collection[str], paths: Collection[str]
) -> dict[str, dict[str, float]]:
    """Each setting by pattern, of those that PEFT has of the method, to module path → its value.

    LoKr of a PEFT before 0.14 has r for α, which makes PEFT's s = α/r the 1 that it was trained with.

    Raises:
        AdapterError: A value is no number, or the patterns are none.
    """
    config, named = files.config, _named(files.config)
    if named in _LYCORIS and _before_0_14(config):
        ranks = _values(files, _RANK, paths, LYCORIS_BEFORE_0_15)
        if named == "LOKR":
            r = _number(files, "r")
            return {_RANK: ranks, _ALPHA: {path: ranks.get(path, r) for path in paths}}
        alphas = {path: one for path, one in _met_first(config, paths).items() if one is not None}
        return {_RANK: ranks, _ALPHA: _checked(files, _ALPHA, alphas)}
    rule = rule_of(config)
    return {key: _values(files, key, paths, rule) for key in keys if config.get(key)}


def rule_of(config: Mapping[str, Any]) -> Rule:
    """The rule by which today's PEFT finds a module's entry."""
    return AFTER_A_DOT if _named(config) in _AFTER_A_DOT else TODAY


def scale_said(files: AdapterFiles, paths: Collection[str]) -> Iterator[str]:
    """What has to be said of the s of a LoKr, where its file is of before 0.14 or does not tell.

    Until 0.13.2 PEFT's LoKr was w1 ⊗ w2, whatever α; since 0.14 that times α/r. ``rank_dropout_scale`` is a field
    since the same version.
    """
    config = files.config
    if _named(config) != "LOKR" or "rank_dropout_scale" in config:
        return
    ranks, alphas = (_values(files, key, paths, TODAY) for key in (_RANK, _ALPHA))
    r, alpha = _number(files, "r"), _number(files, "alpha")
    scales = sorted({alphas.get(path, alpha) / ranks.get(path, r) for path in paths})
    if scales == [1]:
        return
    span = " to ".join(f"{one:.4g}" for one in dict.fromkeys((scales[0], scales[-1])))
    if _before_0_14(config):
        yield (
            f"saved by a PEFT before 0.14, which trained LoKr with s = 1 whatever α, and so is ΔW here; PEFT since applies "
            f"s = α/r = {span} to the same file"
        )
    else:
        yield (
            f"the configuration does not say by which PEFT LoKr was trained: ΔW is with s = α/r = {span}, as PEFT has it since "
            f"0.14; before that s was 1 whatever α"
        )


def patterns_said(config: Mapping[str, Any], paths: Collection[str]) -> Iterator[str]:
    """What has to be said of the patterns of LoHa and LoKr that a PEFT before 0.15 met otherwise.

    Until 0.14 they took the first entry of ``rank_pattern`` and ``alpha_pattern`` for both settings, so that α was
    the default where an entry of the ranks met first.
    """
    if _named(config) not in _LYCORIS or (_named(config) == "LOKR" and _before_0_14(config)):
        return
    yield from twice_said(config, paths)
    if not config.get(_ALPHA) or "inference_mode" not in config or "peft_version" in config:
        return
    default = config.get("alpha", _DEFAULT)
    today, before = patterns_of(config[_ALPHA]), _met_first(config, paths)
    count = sum(
        today.of(path, default) != (default if alpha is None else alpha)
        for path, alpha in before.items()
    )
    if not count:
        return
    of = f"the first entry of rank_pattern and alpha_pattern together says α of {counted(count, 'module')}"
    if _before_0_14(config):
        yield (
            f"saved by a PEFT before 0.14, where {of}: ΔW is so, as it was trained, and PEFT since 0.15, which looks into "
            f"alpha_pattern alone, makes another of the same file"
        )
    else:
        yield (
            f"saved by a PEFT of 0.14 to 0.17, and the file does not tell which; in 0.14 {of}: ΔW is as PEFT has it since "
            f"0.15, by alpha_pattern alone, and may not be that of training"
        )


def _before_0_14(config: Mapping[str, Any]) -> bool:
    """Whether a PEFT wrote it, and one before 0.14: it has all fields of its version, and these are of 0.14 and 0.18."""
    later = ("exclude_modules", "rank_dropout_scale", "peft_version")
    return "inference_mode" in config and not any(key in config for key in later)


def _met_first(config: Mapping[str, Any], paths: Collection[str]) -> dict[str, float | None]:
    """Module path → the α of the first entry of both patterns; None where that has none."""
    ranks, alphas = (patterns_of(config.get(key), LYCORIS_BEFORE_0_15) for key in (_RANK, _ALPHA))
    own, found = dict(alphas.entries), {}
    for path in paths:
        first = ranks.first(path)
        found[path] = alphas.of(path, None) if first is None else own.get(ranks.entries[first][0])
    return found


def _number(files: AdapterFiles, key: str) -> float:
    found = files.config.get(key, _DEFAULT)
    if (
        not isinstance(found, (int, float))
        or not math.isfinite(found)
        or (key == "r" and found <= 0)
    ):
        raise AdapterError(f"{files.source} has {key} {found!r}, expected a number above 0")
    return found


def _named(config: Mapping[str, Any]) -> str:
    return str(config.get("peft_type")).upper()


def _values(files: AdapterFiles, key: str, paths: Collection[str], rule: Rule) -> dict[str, float]:
    patterns: Patterns = patterns_of(files.config.get(key), rule)
    found = {path: patterns.of(path, None) for path in paths}
    return _checked(files, key, {path: one for path, one in found.items() if one is not None})


def _checked(files: AdapterFiles, key: str, found: Mapping[str, Any]) -> dict[str, float]:
    for path, one in found.items():
        if not isinstance(one, (int, float)) or isinstance(one, bool) or not 0 < one < 1 << 20:
            raise AdapterError(f"{files.source} has {key} {one!r} for {path}, expected a number")
    return dict(found)
