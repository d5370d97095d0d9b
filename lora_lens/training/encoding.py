"""Rows → token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .data import Example


def encode(examples: Sequence[Example], tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    """Token ids and label of every row, cut to `max_length` tokens; batches pad them later."""
    second = [example.second for example in examples]
    encoded = tokenizer(
        [example.first for example in examples],
        second if second[0] is not None else None,
        truncation=True,
        max_length=max_length,
    )
    return [
        {name: values[row] for name, values in encoded.items()} | {"label": example.label}
        for row, example in enumerate(examples)
    ]
