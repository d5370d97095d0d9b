"""Rows of query and key in llama.cpp's order: how many heads they are of, and transformers' order of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from ...bases.opening import configuration_here
from ...bases.single_file import configuration_of_gguf
from ...errors import AdapterError
from ..adapter_files import AdapterFiles

_REPOSITORY, _HUB = "general.base_model.0.repo_url", "https://huggingface.co/"
# Whose rows are moved, and what says of how many heads they are.
HEADS = {
    "attn_q": ("num_attention_heads",),
    "attn_k": ("num_key_value_heads", "num_attention_heads"),
}


def repository(header: Mapping[str, str]) -> str | None:
    """The hub id of the base that the header names."""
    said = header.get(_REPOSITORY, "")
    found = said.removeprefix(_HUB).strip("/")
    return found if said.startswith(_HUB) and re.fullmatch(r"[\w.-]+/[\w.-]+", found) else None


def heads_of(files: AdapterFiles, base: str | None) -> Mapping[str, int]:
    """Of how many heads the rows of each of `HEADS` are; none where the base is not at hand, or does not say it."""
    if base is None:
        return {}
    here = configuration_of_gguf(base) or configuration_here(
        base, files.revision, download=files.base_given is not None
    )
    settings = here.settings if here else {}
    said = {module: [settings.get(key) for key in keys] for module, keys in HEADS.items()}
    return {
        module: next(filter(_is_count, counts))
        for module, counts in said.items()
        if any(map(_is_count, counts))
    }


def _is_count(found: Any) -> TypeGuard[int]:
    return isinstance(found, int) and not isinstance(found, bool) and found > 0


def halves(rows: int, heads: int, own: str) -> list[int]:
    """Where each row of transformers' order, halves of each head, is among llama.cpp's pairs.

    Raises:
        AdapterError: So many rows are of no such heads.

    Example:
        >>> halves(8, 2, "blk.0.attn_q")
        [0, 2, 1, 3, 4, 6, 5, 7]
    """
    half, over = divmod(rows, 2 * heads)
    if over:
        raise AdapterError(
            f"{own} has B of {rows} rows, no multiple of two for each of the {heads} heads of the base: pass --base "
            f"with the model that it was trained on"
        )
    return [
        head * 2 * half + 2 * pair + which
        for head in range(heads)
        for which in range(2)
        for pair in range(half)
    ]
