"""What `alike.py` and `alike_outliers.py` left in docs/alike, by place; and how shares and excesses are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
BASES = ("minilm", "mpnet")
# The same module of both: how it is called here, and by its base.
MODULES = {
    "query": ("query", "q"),
    "key": ("key", "k"),
    "value": ("value", "v"),
    "output": ("attention.output.dense", "o"),
}
ONES = "what the LayerNorm after empties"
FEW = 128  # as many as were asked of the other half
STATES = ("named columns", "all columns")
RESIDUAL = (("value", "inputs"), ("output", "outputs"), ("query", "inputs"), ("key", "inputs"))
Records = Sequence[dict[str, Any]]


def records() -> tuple[Records, Records]:
    """Every base's record of places, and of what `outliers` said."""
    places, asked = (
        [
            json.loads((DOCS / "alike" / f"{kind}{name}.json").read_text(encoding="utf-8"))
            for name in BASES
        ]
        for kind in ("", "outliers-")
    )
    return places, asked


def of(record: dict[str, Any], module: str, side: str) -> dict[str, Any]:
    """One place of one base."""
    (found,) = (
        one
        for name in MODULES[module]
        if (one := record["places"].get(f"{name}, {side}")) is not None
    )
    result: dict[str, Any] = found
    return result


def residual(
    places: Records, sides: Sequence[tuple[str, str]] = RESIDUAL
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of every base, and each module on its side of the residual stream: names of both, and the place."""
    for record in places:
        for module, side in sides:
            yield record["base"], module, of(record, module, side)


def percent(share: float) -> str:
    """Of the whole excess."""
    return f"{round(100 * share)} %".replace("-", "−")


def number(excess: float) -> str:
    """With its sign."""
    return f"{excess:+.4f}".replace("-", "−")


def gone(place: dict[str, Any], left: float) -> float:
    """Share of a place's excess that is gone where so much is left."""
    return 1 - left / float(place["excess"])
