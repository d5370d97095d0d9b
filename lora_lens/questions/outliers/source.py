"""What was given: a trained adapter, or a base model by itself."""

from __future__ import annotations

import os
from pathlib import Path

from ...adapter import Adapter
from ...bases.opening import open_base
from ...bases.weights import BaseWeights
from ...errors import AdapterError, BaseModelError, LensError
from ...files.hub_files import is_hub_id
from ...files.locate import user_path
from ...files.peft_names import CONFIG
from ...files.revisions import split_revision
from ...formats.loading import Model, adapter_of


def source_of(
    given: Adapter | BaseWeights | str | Path | Model, base: BaseWeights | str | Path | None
) -> Adapter | BaseWeights:
    """The adapter, or the base model by itself.

    Raises:
        LensError: It is neither, or a base model, and another is given beside it.
    """
    found = given if isinstance(given, BaseWeights) else _found(given, base)
    if isinstance(found, BaseWeights) and base is not None:
        raise LensError(
            f"{found.source} is a base model by itself, beside which another ({getattr(base, 'source', base)}: --base, base) does "
            f"nothing: leave that out"
        )
    return found


def _found(
    given: Adapter | str | Path | Model, base: BaseWeights | str | Path | None
) -> Adapter | BaseWeights:
    if not isinstance(given, str | Path):
        return adapter_of(given, base)
    path = user_path(given)
    # pathlib raises for a name that is too long, which is neither.
    is_file = os.path.isfile(path)  # noqa: PTH113
    if not is_file and not os.path.exists(path / CONFIG):  # noqa: PTH110
        try:
            return open_base(given)  # on this machine: asks no hub what it is
        except BaseModelError:
            pass
    try:
        return adapter_of(given, base)
    except AdapterError as error:
        hub = not is_file and is_hub_id(split_revision(str(given))[0])
        try:
            if hub or is_file:
                return open_base(given, download=hub)
        except BaseModelError:
            pass
        if hub:
            raise
        raise AdapterError(f"{error}; nor is it a base model with its weights") from None
