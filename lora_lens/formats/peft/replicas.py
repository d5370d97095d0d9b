"""PEFT's ``layer_replication``: a model made of copies of its base's layers, each with factors of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import AdapterError
from ...files.names import split_layer

_MOST_LAYERS = 100_000


def copies(
    config: Mapping[str, Any], source: str, paths: Iterable[str], others: Iterable[str] = ()
) -> dict[str, str]:
    """Path of each module in a replicated layer to that of the base's layer that it is a copy of.

    Args:
        config: The adapter's.
        source: Of the adapter, for messages.
        paths: Of all modules that it has factors of.
        others: Of those that it has other tensors of, of which the ones in the same lists of layers are looked at.

    Raises:
        AdapterError: The setting is no list of ranges, or a path has a layer that it does not make.

    Example:
        >>> copies({"layer_replication": [[0, 2], [1, 3]]}, "it", ["layers.2.q", "layers.3.q", "lm_head"])
        {'layers.2.q': 'layers.1.q', 'layers.3.q': 'layers.2.q'}
    """
    if not config.get("layer_replication"):
        return {}
    layers = _layers(config["layer_replication"], source)
    found = {}
    placed = {path: split for path in paths if (split := split_layer(path))}
    lists = {pattern.partition("*")[0] for pattern, _ in placed.values()}
    beside = {path: split for path in others if (split := split_layer(path))}
    placed |= {path: one for path, one in beside.items() if one[0].partition("*")[0] in lists}
    for path, (pattern, layer) in placed.items():
        if layer >= len(layers):
            raise AdapterError(
                f"{source} has tensors of {path}, and its layer_replication makes {len(layers)} layers"
            )
        if layers[layer] != layer:
            found[path] = pattern.replace("*", str(layers[layer]))
    return found


def _layers(ranges: Any, source: str) -> list[int]:
    """Of which layer of the base each layer is a copy."""
    found: list[int] = []
    for pair in ranges if isinstance(ranges, list) else [None]:
        start, stop = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
        if type(start) is not int or type(stop) is not int or not 0 <= start <= stop:
            raise AdapterError(
                f"{source} has layer_replication {ranges!r}, expected ranges of layers"
            )
        if len(found) + stop - start > _MOST_LAYERS:
            raise AdapterError(f"{source} has a layer_replication of over {_MOST_LAYERS:,} layers")
        found += range(start, stop)
    return found
