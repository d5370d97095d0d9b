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
from .names import COPIES, COPY, ORIGINAL, said_in_full


def without_copies(files: AdapterFiles, factors: Factors) -> tuple[Factors, dict[str, str]]:
    """The factors without those of copies that stand beside the layer's own, and of these every tensor with why it is left out.

    Args:
        files: Of the adapter.
        factors: Module path → factor → name of its tensor.

    Raises:
        AdapterError: The two that should be the same are not.
    """
    kept, left_out = dict(factors), dict[str, str]()
    for path, pair in factors.items():
        for part, why in COPIES.items():
            if part not in path.split(".") or (own := _without(path, part)) not in factors:
                continue
            if part == COPY:
                _check_same(files, own, pair, factors[own])
            left_out |= dict.fromkeys(pair.values(), why)
            kept.pop(path, None)
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
        if name.endswith(ending) and ORIGINAL not in name.split(".") and said_in_full(name, config)
    ]
    if found:
        yield (
            f"trained in full beside its factors: {', '.join(sorted(found))}. The ΔW that is shown of it is s·B·A, without the "
            f"change of its own weight, which the file has as base_layer"
        )


def _without(path: str, part: str) -> str:
    parts = path.split(".")
    parts.remove(part)
    return ".".join(parts)


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
