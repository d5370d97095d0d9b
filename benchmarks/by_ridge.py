"""What layers share when θ is fitted by a ridge, which sees smaller parts: python benchmarks/by_ridge.py BASE ADAPTER ….

`lora-lens shared --ridge` of every adapter, module and factor, beside flips fitted with the same ridge; p is two-sided, and
corrected over all of them by Holm's method. With --out what is found is kept; --print prints it again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from of_adapters import parser_of
from page_table import table

import lora_lens as ll
from lora_lens.chance.p_values import holm

LEVEL = 0.05


def main() -> None:
    """Ask, keep, print."""
    parser = parser_of(__doc__, draws=499)
    parser.add_argument("--ridge", type=float, default=1.0)
    given = parser.parse_args()
    if not given.print:
        found = {
            f"{folder.name} {module} {letter}": one
            for folder in given.adapters
            for module in given.modules
            for letter, one in asked(given, folder, module)
        }
        record = {"ridge": given.ridge, "draws": given.draws, "found": found}
        given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(page(json.loads(given.out.read_text(encoding="utf-8")))))


def asked(
    given: argparse.Namespace, folder: Path, module: str
) -> Iterator[tuple[str, dict[str, float]]]:
    """Of A and of B."""
    result = ll.shared_subspace(
        folder,
        module,
        ridge=given.ridge,
        draws=given.draws,
        convention="consistent",
        base=given.base,
    )
    for letter, shared in result.items():
        one = shared.predicted
        assert one is not None
        flipped = one.nulls["flipped"]
        yield (
            letter,
            {
                "share": one.mean,
                "flips": flipped.mean,
                "sd": flipped.sd,
                "p": flipped.p_two_sided,
                "detectable": one.detectable,
            },
        )


def corrected(record: Mapping[str, Any]) -> dict[str, float]:
    """p by Holm's method over all tests of the record."""
    found = record["found"]
    p = holm(np.array([one["p"] for one in found.values()]))
    return dict(zip(found, p.tolist(), strict=True))


def page(record: Mapping[str, Any]) -> Iterator[str]:
    """A row for every module and factor, from the least to the most of its adapters."""
    found, p = record["found"], corrected(record)
    kinds = dict.fromkeys(tuple(name.split()[1:]) for name in found)
    rows = []
    for kind in kinds:
        names = [name for name in found if tuple(name.split()[1:]) == kind]
        ones = [found[name] for name in names]
        more = [p[name] <= LEVEL and found[name]["share"] > found[name]["flips"] for name in names]
        rows.append(
            [
                ", ".join(kind),
                ends([100 * one["share"] for one in ones], "{:.2f}"),
                ends([100 * one["flips"] for one in ones], "{:.2f}"),
                ends([(one["share"] - one["flips"]) / one["sd"] for one in ones], "{:+.1f}"),
                f"{sum(more)} of {len(more)}",
                ends([100 * one["detectable"] for one in ones], "{:.2f}"),
            ]
        )
    yield from table(
        ["module, factor", "share, %", "flips, %", "z", "beyond flips", "would be seen, %"], rows
    )


def ends(numbers: list[float], pattern: str) -> str:
    """The least and the most; one number where they are written alike."""
    each = (pattern.format(end).replace("-", "−") for end in (min(numbers), max(numbers)))
    return " to ".join(dict.fromkeys(each))


if __name__ == "__main__":
    main()
