"""LyCORIS's DyLoRA: saved as LoRA is, and trained with another s than a file of LoRA has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..files.locate import json_of

_BLOCK = 4  # LyCORIS's block_size


def dylora_said(header: Mapping[str, str]) -> Iterator[str]:
    """What has to be said of s where a file's header says that LyCORIS trained DyLoRA.

    It trains some of its blocks of rows at a time, b of them with s = α/b; all of them are rank/block_size. A file
    has the factors and α alone, so that loaders take α/rank. sd-scripts' own ``networks.dylora`` has α/rank at the full rank.

    Example:
        >>> args = '{"algo": "dylora", "block_size": "2"}'
        >>> next(dylora_said({"ss_network_module": "lycoris.kohya", "ss_network_args": args}))[:33]
        "the header says LyCORIS's DyLoRA,"
    """
    try:
        said = json_of(header.get("ss_network_args", "{}"))
    except (ValueError, RecursionError):
        return
    if not isinstance(said, dict) or str(said.get("algo")).lower() != "dylora":
        return
    size = str(said.get("block_size") or _BLOCK)
    if size == "1":  # of all rank blocks α/rank
        return
    times = f"{size} times" if size.isdecimal() and len(size) < 6 else "block_size times"
    yield (
        f"the header says LyCORIS's DyLoRA, which trained with s = α/(number of blocks), of all of them {times} the α/rank that "
        f"loaders take of its file: ΔW here is with α/rank"
    )
