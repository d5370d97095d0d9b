"""DoRA's magnitudes in PEFT's files: ``….lora_magnitude_vector``, a norm for every row of W0 + s·B·A."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import AdapterError
from .adapter_files import AdapterFiles
from .peft_names import plain

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
        AdapterError: There are some and the configuration says no DoRA, or the other way round, or a
            module has none.
    """
    found: dict[str, str] = {}
    for name in names:
        match = _MAGNITUDE.fullmatch(plain(name))
        if match is None:
            continue
        if not files.config.get("use_dora"):
            raise AdapterError(
                f"{name} is DoRA's, though the configuration does not say use_dora: set it there if PEFT trained it; "
                f"torchtune's conversion, which leaves it out, also leaves norms of query and key in another order than "
                f"their rows: name its own adapter_model.pt"
            )
        if match["path"] in found:
            raise AdapterError(f"{found[match['path']]} and {name} are the same magnitude")
        found[match["path"]] = name
    if files.config.get("use_dora"):
        without = next((path for path in factors if path not in found), None)
        if without is not None:
            raise AdapterError(
                f"{files.source} says use_dora, but {without} has no lora_magnitude_vector, by which DoRA rescales "
                f"the rows of W0 + s·B·A"
            )
    return found
