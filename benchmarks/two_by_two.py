"""What layers share two by two, with no θ fitted to all of them: python benchmarks/two_by_two.py BASE ADAPTER ….

`lora-lens similarity --ridge 3 --nulls flipped` of every adapter, module and factor: the mean φ over all pairs of layers, over
neighbours (layer n and n + 1) and over the other pairs, beside the same factors turned on their own W0's singular directions; p is
two-sided, and corrected by Holm's method over all adapters, modules and factors, of each mean by itself. With --out what is found is kept as it comes;
--print prints it again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from by_ridge import ends
from of_adapters import parser_of
from page_table import table

import lora_lens as ll
from lora_lens.chance.against_null import null_test
from lora_lens.chance.detectable import detectable_excess
from lora_lens.chance.p_values import holm

LEVEL = 0.05
PAIRS = ("all", "neighbours", "others")


def main() -> None:
    """Ask, keep, print."""
    parser = parser_of(__doc__, draws=999)
    parser.add_argument("--ridge", type=float, default=3.0)
    given = parser.parse_args()
    if not given.print:
        record: dict[str, Any] = {"ridge": given.ridge, "draws": given.draws, "found": {}}
        if given.out.exists():
            record = json.loads(given.out.read_text(encoding="utf-8"))
        for folder in given.adapters:
            for module in given.modules:
                if f"{folder.name} {module} B" not in record["found"]:
                    for letter, one in asked(given, folder, module):
                        record["found"][f"{folder.name} {module} {letter}"] = one
                    given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(page(json.loads(given.out.read_text(encoding="utf-8")))))


def asked(
    given: argparse.Namespace, folder: Path, module: str
) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """Of A and of B."""
    result = ll.conversion_similarity(
        folder,
        module,
        ridge=given.ridge,
        nulls="flipped",
        matrices=("A", "B"),
        draws=given.draws,
        convention="consistent",
        base=given.base,
    )
    for letter, grid in result.items():
        drawn = grid.baselines["flipped"].drawn
        assert drawn is not None
        yield (
            letter,
            {
                name: tested(grid.values[cells], drawn[:, cells])
                for name, cells in of_pairs(len(grid.layers)).items()
            },
        )


def of_pairs(layers: int) -> dict[str, Any]:
    """Which cells above the diagonal each mean is of."""
    apart = np.subtract.outer(np.arange(layers), np.arange(layers)) * -1
    return {"all": apart > 0, "neighbours": apart == 1, "others": apart > 1}


def tested(cells: Any, drawn: Any) -> dict[str, float]:
    """The mean of some cells beside the same of flips."""
    means = drawn.astype(np.float64).mean(1)
    found = null_test(np.asarray(cells.mean()), means)
    return {
        "phi": float(cells.mean()),
        "flips": found.mean,
        "sd": found.sd,
        "p": found.p_two_sided,
        "detectable": detectable_excess(means, LEVEL / 2),
    }


def corrected(record: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """p by Holm's method over all adapters, modules and factors, of each mean by itself."""
    found = record["found"]
    p: dict[tuple[str, str], float] = {}
    for pairs in PAIRS:
        tests = holm(np.array([means[pairs]["p"] for means in found.values()]))
        p |= {(name, pairs): one for name, one in zip(found, tests.tolist(), strict=True)}
    return p


def page(record: Mapping[str, Any]) -> Iterator[str]:
    """A row for every module, factor and mean, from the least to the most of its adapters."""
    found, p = record["found"], corrected(record)
    kinds = dict.fromkeys(tuple(name.split()[1:]) for name in found)
    rows = []
    for kind in kinds:
        names = [name for name in found if tuple(name.split()[1:]) == kind]
        for pairs in PAIRS:
            ones = [found[name][pairs] for name in names]
            more = [
                p[name, pairs] <= LEVEL and one["phi"] > one["flips"]
                for name, one in zip(names, ones, strict=True)
            ]
            rows.append(
                [
                    ", ".join(kind) if pairs == PAIRS[0] else "",
                    pairs,
                    ends([100 * one["phi"] for one in ones], "{:.2f}"),
                    ends([100 * one["flips"] for one in ones], "{:.2f}"),
                    ends([(one["phi"] - one["flips"]) / one["sd"] for one in ones], "{:+.1f}"),
                    f"{sum(more)} of {len(more)}",
                    ends([100 * one["detectable"] for one in ones], "{:.2f}"),
                ]
            )
    yield from table(
        ["module, factor", "pairs", "φ, %", "flips, %", "z", "beyond flips", "would be seen, %"],
        rows,
        "llrrrrr",
    )


if __name__ == "__main__":
    main()
