"""DoRA's magnitudes in PEFT's files: ``….lora_magnitude_vector``, a norm for every row of W0 + s·B·A."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ...errors import AdapterError
from ...files.peft_names import plain
from ..adapter_files import AdapterFiles
from .moved_rows import MOVED
from .settings import changed_base

_UNSAID = (
    "the configuration does not say use_dora, as torchtune's of its conversion does not: read as DoRA by its norms, of "
    "whose rows none change places in that conversion"
)
_MAGNITUDE = re.compile(r"(?P<path>.+)\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?")


def magnitudes_of(
    files: AdapterFiles, names: Iterable[str], factors: Mapping[str, object]
) -> dict[str, str]:
    """Module path → the tensor of its magnitude; empty where the adapter is no DoRA.

    Args:
        files: Of the adapter.
        names: Of the tensors that are no factors.
        factors: By module path.

    Raises:
        AdapterError: There are some and the configuration denies DoRA, or does not say it and they are of query or
            key; or the other way round, or a module has none.
    """
    found: dict[str, str] = {}
    for name in names:
        match = _MAGNITUDE.fullmatch(plain(name))
        if match is None:
            continue
        # Of their B torchtune's conversion puts the rows into another order, and leaves the norms where they were.
        moved = match["path"].rpartition(".")[2] in MOVED
        if not files.config.get("use_dora", not moved and not changed_base(files.config)):
            raise AdapterError(
                f"{name} is DoRA's, though the configuration does not say use_dora: set it there if PEFT trained it; "
                f"torchtune's conversion, which leaves it out, also leaves norms of query and key in another order than "
                f"their rows: name its own adapter_model.pt"
            )
        if match["path"] in found:
            raise AdapterError(f"{found[match['path']]} and {name} are the same magnitude")
        found[match["path"]] = name
    if found or files.config.get("use_dora"):
        without = next((path for path in factors if path not in found), None)
        if without is not None:
            says = "says use_dora" if files.config.get("use_dora") else "has DoRA's norms"
            raise AdapterError(
                f"{files.source} {says}, but {without} has no lora_magnitude_vector, by which DoRA rescales "
                f"the rows of W0 + s·B·A"
            )
    return found


def norms_said(files: AdapterFiles, magnitudes: Mapping[str, str]) -> Iterator[str]:
    """What is said of DoRA's norms that the configuration does not say.

    Args:
        files: Of the adapter.
        magnitudes: From `magnitudes_of`.
    """
    if magnitudes and not files.config.get("use_dora"):
        yield _UNSAID
