"""The layers that all adapters have, and in which each has as many singular vectors as are compared."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import AdapterError, RankError
from ...show.wording import few
from .adapter_bases import AdapterBases
from .reading import MOST_NAMED


def common_layers(
    read: Sequence[AdapterBases], module: str, rank: int | None
) -> tuple[tuple[int, ...], list[str]]:
    """The layers that all adapters have, and a note on those that only some have.

    Raises:
        AdapterError: There is none.
        RankError: In one of them an adapter has too few singular vectors.
    """
    each = [set(one.widths) | set(one.short) for one in read]
    layers = tuple(sorted(set.intersection(*each)))
    if not layers:
        spans = {
            ", ".join(map(str, sorted(own))): one.name for one, own in zip(read, each, strict=True)
        }
        shown = "; ".join(f"{span} in {name}" for span, name in list(spans.items())[:MOST_NAMED])
        raise AdapterError(f"no layer has {module} in all {len(read)} adapters: layers {shown}")
    if any(layer in layers for one in read for layer in one.short):
        raise RankError(_too_low(read, layers, rank))
    more = [one.name for one, own in zip(read, each, strict=True) if own != set(layers)]
    span = ", ".join(map(str, layers))
    have = "has" if len(more) == 1 else "have"
    what = f"layer {span} is" if len(layers) == 1 else f"layers {span} are"
    said = f"only {what} compared; {few(more, MOST_NAMED)} {have} more"
    return layers, [said] if more else []


def _too_low(read: Sequence[AdapterBases], layers: tuple[int, ...], rank: int | None) -> str:
    lowest: dict[str, tuple[int, int]] = {}  # rank, and a layer that has it
    for one in read:
        if found := [(found, layer) for layer, found in one.short.items() if layer in layers]:
            lowest[one.name] = min(found)
    zero = [f"{name} (layer {layer})" for name, (found, layer) in lowest.items() if found == 0]
    if zero:
        return (
            f"{few(zero, MOST_NAMED)}: a factor or its scaling is zero there, so there is no singular subspace: the "
            f"adapter is untrained there, or lora_alpha is not what it was trained with; leave it out, or put that there"
        )
    each = (f"{name} has rank {found} in layer {layer}" for name, (found, layer) in lowest.items())
    ranks = few(each, MOST_NAMED)
    wanted = "each adapter's own rank of" if rank is None else str(rank)
    return (
        f"asked for {wanted} singular vectors, but {ranks}; vectors above the rank are "
        f"arbitrary, so ask for a rank of at most {min(lowest.values())[0]}, or leave the adapter out"
    )
