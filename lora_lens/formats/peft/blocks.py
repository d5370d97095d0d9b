"""BD-LoRA in PEFT's files: one factor of a module is block-diagonal, and its blocks lie below each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.numbers.either import namespace
from ...errors import AdapterError
from ...updates import Factor
from ..factors.derived import changed

_MOST = 1 << 28


def whole(config: Mapping[str, Any], path: str, a: Factor, b: Factor) -> tuple[Factor, Factor]:
    """A and B of a module with the zeros around their blocks; as they are where neither is block-diagonal.

    PEFT asks whether a word of ``target_modules_bd_a`` or ``_bd_b`` is anywhere in the module's path.

    Raises:
        AdapterError: The setting is not PEFT's, or the factor has not so many blocks.
    """
    said = config.get("use_bdlora")
    if not said:
        return a, b
    if not isinstance(said, Mapping):
        raise AdapterError(f"use_bdlora is {said!r}, expected PEFT's settings of BD-LoRA")
    count = said.get("nblocks", 1)
    if type(count) is not int or count < 1:
        raise AdapterError(f"nblocks of use_bdlora is {count!r}, expected a whole number above 0")
    of_a, of_b = (_named(said, f"target_modules_bd_{letter}", path) for letter in "ab")
    if of_a and of_b:
        raise AdapterError(f"use_bdlora has both A and B of {path} block-diagonal, expected one")
    return (_spread(a, count) if of_a else a), (_spread(b, count) if of_b else b)


def _named(said: Mapping[str, Any], key: str, path: str) -> bool:
    words = said.get(key) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise AdapterError(f"{key} of use_bdlora is {words!r}, expected names")
    return any(word in path for word in words)


def _spread(factor: Factor, count: int) -> Factor:
    """The block-diagonal matrix of blocks that lie below each other."""
    rows, columns = factor.shape
    if rows % count:
        raise AdapterError(
            f"{factor.name} has {rows} rows, which are not {count} blocks, as use_bdlora says"
        )
    if rows * columns * count > _MOST:
        raise AdapterError(
            f"{factor.name} is {rows:,}x{columns * count:,} with the zeros around its blocks, more than the "
            f"{_MOST:,} numbers that are read of one factor"
        )
    each = rows // count

    def spread(found: Any) -> Any:
        made = namespace(found).zeros((rows, columns * count), dtype=found.dtype)
        for k in range(count):
            at = slice(k * each, (k + 1) * each)
            made[at, k * columns : (k + 1) * columns] = found[at]
        return made

    return changed(factor, factor.name, (rows, columns * count), spread)
