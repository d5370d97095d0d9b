"""Layers that were adapted within a module that was trained in full, whose factors earlier versions of PEFT save three times.

They adapted the layers of a head first and copied the head then, to train the copy in full: the file has the copy's factors
under the layer's own name and under ``modules_to_save``, and those of the ``original_module``, which nothing has trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import AdapterError
from ...files.peft_names import PEFT_PREFIX
from ..adapter_files import AdapterFiles
from ..factors.factor_pairs import Factors
from .names import TWICE, UNTRAINED, said_in_full

_COPY, _ORIGINAL = "modules_to_save", "original_module"


def without_copies(files: AdapterFiles, factors: Factors) -> tuple[Factors, dict[str, str]]:
    """The factors of each layer once, by the layer's own path, and every other of their tensors with why it is left out.

    Args:
        files: Of the adapter.
        factors: Module path → factor → name of its tensor.

    Raises:
        AdapterError: The two that should be the same are not.
    """
    kept = {path: pair for path, pair in factors.items() if not _held_by(path)}
    originals = {_without(path, _ORIGINAL) for path in factors if _ORIGINAL in path.split(".")}
    left_out: dict[str, str] = {}
    for path, pair in factors.items():
        held = _held_by(path)
        if held == _ORIGINAL:
            left_out |= dict.fromkeys(pair.values(), UNTRAINED)
        if held != _COPY:
            continue
        # The adapter's name is in a whole model's state, and not in what PEFT saves.
        owns = [_without(path, _COPY), _without(path, _COPY, 2)]
        own = next((one for one in owns if one in factors or one in originals), owns[0])
        if own in factors:
            _check_same(files, own, pair, factors[own])
            left_out |= dict.fromkeys(pair.values(), TWICE)
        else:
            kept[own] = pair
    return kept, left_out


def base_trained_too(others: Iterable[str], config: Mapping[str, Any]) -> Iterator[str]:
    """What every question has to say where a layer's own weight was trained beside its factors.

    Args:
        others: Names of the tensors that are no factors.
        config: The whole ``adapter_config.json``.
    """
    ending = ".base_layer.weight"
    found = [
        name.removesuffix(ending).removeprefix(PEFT_PREFIX)
        for name in others
        if name.endswith(ending) and said_in_full(name, config)
    ]
    if found:
        yield (
            f"trained in full beside its factors: {', '.join(sorted(found))}. The ΔW that is shown of it is s·B·A, without the "
            f"change of its own weight, which the file has as base_layer"
        )


def _held_by(path: str) -> str | None:
    """Which of PEFT's two copies of a module a path leads into."""
    parts = path.split(".")
    return next((part for part in (_ORIGINAL, _COPY) if part in parts), None)


def _without(path: str, part: str, length: int = 1) -> str:
    parts = path.split(".")
    at = parts.index(part)
    return ".".join(parts[:at] + parts[at + length :])


def _check_same(
    files: AdapterFiles, own: str, pair: Mapping[str, str], other: Mapping[str, str]
) -> None:
    import torch

    for letter, name in pair.items():
        if letter not in other or files.shape(name) != files.shape(other[letter]):
            same = False
        else:
            one, two = (files.factor(each, unfolded=True).read() for each in (name, other[letter]))
            same = torch.equal(one, two)
        if not same:
            raise AdapterError(
                f"{files.source}: {name} is not {other.get(letter, 'there')} again, as PEFT saves a factor of {own}, which was "
                f"trained in full; expected one pair: remove that which was not trained"
            )
