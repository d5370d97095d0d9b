"""One PEFT model to a file: what the trainer called each that its tensors are of."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import AdapterError
from ...files.peft_names import holder


def check_one_model(source: str, names: Iterable[str]) -> None:
    """Refuse factors of several PEFT models, of which one configuration does not say the α of each.

    Args:
        source: For the message.
        names: Of the factors, as the file has them.

    Raises:
        AdapterError: They are of several.
    """
    found = {outer for name in names if (outer := holder(name)) is not None}
    if len(found) > 1:
        named = " and ".join(sorted(one or "no name of its own" for one in found))
        raise AdapterError(
            f"{source} holds several PEFT models, under {named}; expected one: save each in a folder of its own, with its own "
            f"adapter_config.json"
        )
