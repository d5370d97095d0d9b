"""Axolotl's ReLoRA: every so many steps B·A is merged into W0 and drawn anew, and what is saved is a plain adapter."""

from __future__ import annotations

from collections.abc import Iterator

from ...files.whole_models import model_file
from ..adapter_files import AdapterFiles

_MERGED = "relora"  # the folder of W0 after a merge
_BEFORE = "adapter"  # of B·A as it was merged


def merged_said(files: AdapterFiles) -> Iterator[str]:
    """What every question has to say of an adapter that has such a W0 beside it.

    A checkpoint of a step at which it merged has B·A beside the W0 that has it in it already.
    """
    if files.config_file is None:
        return
    folder = files.config_file.absolute().parent
    checkpoint = folder.parent if folder.name == _BEFORE else folder
    if not model_file(checkpoint / _MERGED):
        return
    w0 = f"that of {_MERGED}/ beside it"
    if (checkpoint / _BEFORE).is_dir():
        w0 = f"what the merge before this one made, for {_MERGED}/ beside it has this B·A in it; the base, where this one is the first"
    yield (
        f"{files.source} is of Axolotl's ReLoRA, which merges B·A into W0 every so many steps and draws it anew: this B·A is what was trained "
        f"since it last did, not all of ΔW, one of another cycle began from other factors, and its W0 is {w0}"
    )
