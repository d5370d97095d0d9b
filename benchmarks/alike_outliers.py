"""`outliers` of every attention module of a base, on both sides of W0: python benchmarks/alike_outliers.py BASE --out FILE.

Of untrained factors, and of the adapters that are given (--adapters NAME=FOLDER …) where they have the module. The inputs of
W0 are asked by B's conversions, its outputs by A's under the convention ``consistent``. With --out rows are kept as they come,
so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Literal

from alike_places import FAMILIES

import lora_lens as ll
from lora_lens.questions.outliers.result import OutliersResult
from lora_lens.subspaces.selection import select_module

SIDES: tuple[tuple[str, Literal["A", "B"]], ...] = (("inputs", "B"), ("outputs", "A"))


def main() -> None:
    """Ask, keep, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("--name", help="what the page calls it")
    parser.add_argument("--adapters", nargs="*", default=(), metavar="NAME=FOLDER")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    base = ll.open_base(given.base)
    named = dict(one.split("=", 1) for one in given.adapters)
    record: dict[str, Any] = {"base": given.name or given.base, "draws": given.draws, "rows": []}
    if given.out.exists():
        record = json.loads(given.out.read_text(encoding="utf-8"))
    done = {(row["adapter"], row["module"], row["side"]) for row in record["rows"]}
    for name in (None, *named):
        adapter = ll.load_adapter(named[name], base=given.base) if name else base
        for module in FAMILIES[base.configuration.settings["model_type"]][0]:
            if isinstance(adapter, ll.Adapter) and not trains(adapter, module):
                continue
            for side, matrix in SIDES:
                if (name, module, side) in done:
                    continue
                found = ll.outliers(
                    adapter, module, matrix=matrix, convention="consistent", draws=given.draws
                )
                record["rows"].append(
                    {"adapter": name, "module": module, "side": side} | row(found)
                )
                given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
                print(found.summary, flush=True)


def trains(adapter: ll.Adapter, module: str) -> bool:
    """Whether it has the module, under whichever name."""
    try:
        select_module(adapter, module)
    except ll.ModuleLookupError:
        return False
    return True


def row(found: OutliersResult) -> dict[str, Any]:
    """What the page says of one."""
    test = found.before.test
    return {
        "gaussian": found.gaussian[0],
        "gaussian_sd": found.gaussian[1],
        "mean": found.before.mean,
        "sd": found.before.sd,
        "deep": found.before.deep,
        "coordinates": [one.coordinate for one in found.coordinates],
        "explained": found.explained,
        "after": found.after.mean,
        "every": found.every[0],
        "observed": None if test is None else found.before.observed,
        "p": None if test is None else test.p_two_sided,
        "observed after": None if test is None else found.after.observed,
    }


if __name__ == "__main__":
    main()
