"""How often anything is found in sets of planted factors: the options, the counts as they come, and their table."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import page_table
import torch
from planting import NOISE
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.subspaces.untrained import untrained_factors

LEVEL, POWER = 0.05, 0.8


def parser_of(
    text: str | None, *, draws: int, sets: int, shares: Sequence[float]
) -> argparse.ArgumentParser:
    """The options that every count has."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="a base model's folder or hub id")
    parser.add_argument("--name", help="what the table calls it")
    parser.add_argument("--module", default="value")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--sets", type=int, default=sets)
    parser.add_argument("--shares", nargs="*", type=float, default=shares)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--print", action="store_true")
    return parser


def count(
    asked: argparse.Namespace,
    cases: Sequence[str],
    found_in: Callable[[ModuleFactors, Tensor, Any, str, int], dict[str, bool]],
) -> None:
    """Count what is found in every case, set by set, keep the counts as they come, and print the table."""
    record: dict[str, Any] = {
        "base": asked.name or asked.base,
        "module": asked.module,
        "rank": asked.rank,
        "draws": asked.draws,
        "counts": {},
    }
    if asked.out and asked.out.exists():
        record = json.loads(asked.out.read_text())
    if not asked.print:
        weights = ll.open_base(asked.base)
        generator = torch.Generator().manual_seed(0)
        bare = untrained_factors(weights, asked.module, asked.rank, generator=generator)
        w0 = torch.stack([weights.w0(bare, k).double() for k in range(len(bare.layers))])
        record["layers"] = len(w0)
        for number in range(asked.sets):
            for case in cases:
                counts = record["counts"].setdefault(case, {"sets": 0, "found": {}})
                if counts["sets"] > number:
                    continue
                for name, found in found_in(bare, w0, weights, case, number).items():
                    counts["found"][name] = counts["found"].get(name, 0) + int(found)
                counts["sets"] += 1
                if asked.out:
                    asked.out.write_text(json.dumps(record, indent=1) + "\n")
            print(f"\r{number + 1} of {asked.sets} sets", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    print("\n".join(table(record)))


def says(result: Any) -> bool:
    """Whether anything is claimed of it."""
    return any(one.word != "not seen" for one in result.findings)


def table(record: dict[str, Any]) -> Iterator[str]:
    """Markdown."""
    counts = record["counts"]
    noise = [case for case in NOISE if case in counts]
    shares = sorted((case for case in counts if case not in NOISE), key=float)
    yield (
        f"{record['base']}, {record['module']}, {record['layers']} layers, rank {record['rank']}, {record['draws']} draws; sets: "
        + ", ".join(f"{case} {counts[case]['sets']}" for case in noise + shares)
    )
    yield ""
    names = dict.fromkeys(name for case in noise + shares for name in counts[case]["found"])
    yield from page_table.table(
        ["statistic, null", *noise, *(f"e = {case}" for case in shares), "e found in 4 of 5"],
        [
            [
                name,
                *(cell(counts[case], name, interval=case in NOISE) for case in noise + shares),
                least(counts, shares, name),
            ]
            for name in names
        ],
    )


def cell(counts: dict[str, Any], name: str, *, interval: bool) -> str:
    """A rate, and its interval where it is of errors."""
    if name not in counts["found"]:
        return "–"
    n, k = counts["sets"], counts["found"][name]
    z, rate = 1.96, k / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    beside = f" ({max(0.0, middle - half):.2f}–{min(1.0, middle + half):.2f})" if interval else ""
    return f"{rate:.2f}{beside}"


def least(counts: dict[str, Any], shares: list[str], name: str) -> str:
    """The e at which four of five are found, log-linearly between neighbours."""
    points = [(float(e), counts[e]["found"].get(name, 0) / counts[e]["sets"]) for e in shares]
    if not points or points[-1][1] < POWER:
        return "none here" if points else "–"
    if points[0][1] >= POWER:
        return f"≤ {points[0][0]:g}"
    for (e, rate), (after, higher) in itertools.pairwise(points):
        if rate < POWER <= higher:
            along = (POWER - rate) / (higher - rate)
            return f"{math.exp(math.log(e) + along * math.log(after / e)):.2g}"
    return f"≤ {points[-1][0]:g}"
