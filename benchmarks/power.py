"""What each statistic and null can see, and how often it errs: python benchmarks/power.py BASE --module value.

Factors are planted on a real base and asked the way a user asks, by `shared_subspace` and
`conversion_similarity`. Of every layer's A and B, A by the transposed W0, a share e of the energy comes from one
shared layer: ``B_l = √e·W_lθ/‖W_lθ‖ + √(1−e)·N_l/‖N_l‖``, θ and N_l Gaussian. At e = 0 nothing is shared, and what
is called anything is an error, in three kinds of factors: uniform ones; ones along each W0's own leading singular
directions (``B_l = W_lθ_l`` with a Gaussian θ_l of each layer's own); and uniform ones whose singular values are
those of an adapter, asked at its leading direction (--profile, rank 1 of r).

Printed is, by statistic and null, the share of sets with p ≤ .05, for B, with a 95 % interval (Wilson) where it is one of errors; the share of sets of which the command
says anything at all, of A or of B, after its own correction; and the least e found in four of five sets, on the
line between two neighbours. Sets are independent, and so are their draws. With --out the counts are kept
as they come, so that a run that was stopped goes on; --print prints them again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import page_table
import torch
from one_module import one_module
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.subspaces.untrained import untrained_factors

LEVEL, POWER = 0.05, 0.8
NOISE = ("uniform", "leading", "profile")
RIDGES = (0.0, 1.0, 3.0)
FORWARDS = (0.0, 1.0)  # ridges


def main() -> None:
    """Plant, ask, count, print."""
    parser = parser_of(__doc__, draws=99, sets=100, shares=(0.01, 0.03, 0.1, 0.3, 0.9))
    parser.add_argument("--noise", nargs="*", default=NOISE, choices=NOISE)
    parser.add_argument(
        "--claims",
        action="store_true",
        help="what `shared` says alone: cheap enough for hundreds of sets",
    )
    parser.add_argument(
        "--forwards",
        action="store_true",
        help="the predicted share of A and of B alone, beside flips, without and with a ridge",
    )
    parser.add_argument(
        "--by-pairs",
        action="store_true",
        help="φ of A and of B by ridge conversions alone, beside flips: no θ is fitted",
    )
    asked = parser.parse_args()
    cases = [kind for kind in NOISE if kind in asked.noise] + [f"{e:g}" for e in asked.shares]

    def found(
        bare: ModuleFactors, w0: Tensor, base: Any, case: str, number: int
    ) -> dict[str, bool]:
        return ask(planted(bare, w0, case, number), base, case, asked, number)

    count(asked, cases, found)


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


def planted(bare: ModuleFactors, w0: Tensor, case: str, number: int) -> ModuleFactors:
    """One data set."""
    generator = torch.Generator().manual_seed(1 + number)
    r = bare.b.shape[-1]
    b, a = (factor(w, case, r, generator) for w in (w0, w0.mT))
    return replace(bare, a=a.mT.contiguous(), b=b)


def factor(w: Tensor, case: str, r: int, generator: torch.Generator) -> Tensor:
    """Of every layer of W."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    layers, out, wide = w.shape
    if case == "leading":
        return w @ normal(layers, wide, r)
    noise = normal(layers, out, r)
    if case == "uniform":
        return noise
    if case == "profile":
        u, _, v = torch.linalg.svd(noise, full_matrices=False)
        return u * torch.logspace(0, -2, r, dtype=torch.float64) @ v
    share = float(case)
    shared = w @ normal(wide, r)
    return math.sqrt(share) * shared / size(shared) + math.sqrt(1 - share) * noise / size(noise)


def size(factors: Tensor) -> Tensor:
    """Frobenius norms."""
    return factors.norm(dim=(-2, -1), keepdim=True)


def ask(
    factors: ModuleFactors, base: Any, case: str, asked: argparse.Namespace, number: int
) -> dict[str, bool]:
    """What is found of one data set, by statistic and null."""
    adapter = one_module(factors, base, "planted")
    rank = 1 if case == "profile" else None
    same: dict[str, Any] = {
        "convention": "consistent",
        "draws": asked.draws,
        "seed": number,
        "base": base,
    }
    if asked.forwards:
        return dict(_forwards(adapter, factors.module, rank, same))
    if asked.by_pairs:
        return dict(_by_pairs(adapter, factors.module, rank, same))
    found = {}
    shared = ll.shared_subspace(adapter, factors.module, rank, **same)
    found["`shared` says anything"] = says(shared)
    if asked.claims:
        return found
    one = shared["B"].predicted
    for null, test in one.nulls.items():
        found[f"predicted share, {null}"] = test.p <= LEVEL
    found["predicted share, flipped, any layer (Holm)"] = bool(one.p_holm.min() <= LEVEL)
    found["share of conversions, propagated"] = (
        shared["B"].nulls["propagated"].mean_left_out.p <= LEVEL
    )
    for ridge in RIDGES:
        similar = ll.conversion_similarity(adapter, factors.module, rank, ridge=ridge, **same)
        name = "φ of conversions" + (f", ridge {ridge:g}" if ridge else "")
        found[f"{name}, propagated"] = similar["B"].significance["propagated"].of_mean.p <= LEVEL
    return found


def _forwards(
    adapter: Any, module: str, rank: int | None, same: dict[str, Any]
) -> Iterator[tuple[str, bool]]:
    for ridge in FORWARDS:
        shared = ll.shared_subspace(adapter, module, rank, ridge=ridge, **same)
        for matrix, one in shared.items():
            name = f"predicted share of {matrix}" + (f", ridge {ridge:g}" if ridge else "")
            yield f"{name}, flipped", one.predicted.nulls["flipped"].p <= LEVEL
        yield f"`shared` says anything{f', ridge {ridge:g}' if ridge else ''}", says(shared)


def _by_pairs(
    adapter: Any, module: str, rank: int | None, same: dict[str, Any]
) -> Iterator[tuple[str, bool]]:
    options: dict[str, Any] = {"ridge": 3.0, "nulls": "flipped", "matrices": ("A", "B")}
    for matrix, grid in ll.conversion_similarity(adapter, module, rank, **options, **same).items():
        p = grid.significance["flipped"].of_mean.p
        yield f"φ of conversions of {matrix}, ridge 3, flipped", p <= LEVEL


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


if __name__ == "__main__":
    main()
