"""How often `shared ONE OTHER` calls unrelated adapters more or less alike: python benchmarks/carried.py BASE --module value.

Sets of two unrelated adapters are made on a real base's W0 and asked the way `lora-lens shared ONE OTHER` asks. A LoRA is
``B_l = W_l θ_l``, every layer with a Gaussian θ_l of its own, or uniform, by turns; a CondLoRA adapter is ``B_l = W_l θ`` with one Gaussian θ
in all; A alike, of W0ᵀ. Counted is, by kind of pair (ONE → OTHER) and factor, in how many the mean's flips have a two-sided p ≤ .05, with a
99.9 % interval (Clopper and Pearson): 39 draws, so that p ≤ .05 is one case in twenty exactly where the null is right. Kinds for which nothing is tested are
counted as such: "part" is an OTHER of whose energy one θ made a half, "elsewhere" one whose A a θ made of W0 and not of W0ᵀ.

--shares asks of power: one θ makes a share e of the energy of OTHER's factors, and the same share of ONE's, or all of them where ONE is a CondLoRA adapter. What
depends on W0 alone is computed once. With --out the counts are kept as they come, so that a run that was stopped goes on; --print prints them again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from page_table import table
from planting import size
from scipy.stats import binomtest
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.chance import hanging_together
from lora_lens.core.shared import leave_one_out
from lora_lens.core.shared.whitening import Explicit, Triangular, Whitening
from lora_lens.questions.shared import flips, prediction
from lora_lens.questions.shared.asked import Asked, asked
from lora_lens.questions.shared.terms import Terms
from lora_lens.subspaces.device import select_device
from lora_lens.subspaces.untrained import untrained_factors
from lora_lens.subspaces.w0_and_bases import stacked_w0

KINDS = ("LoRA → LoRA", "CondLoRA → LoRA", "LoRA → CondLoRA", "CondLoRA → CondLoRA")
UNTESTED = ("LoRA → part", "LoRA → elsewhere")
LEVEL, SURE = 0.05, 0.999
FACTORS: tuple[Any, ...] = ("A", "B")


def main() -> None:
    """Make, ask, count, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", nargs="?")
    parser.add_argument("--name", help="what the table calls the base")
    parser.add_argument("--module", default="value")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--draws", type=int, default=39)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--factors", nargs="*", default=FACTORS, choices=FACTORS)
    parser.add_argument("--untested", action="store_true", help="the kinds without a test too")
    parser.add_argument("--shares", nargs="*", type=float, default=())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--print", action="store_true")
    given = parser.parse_args()
    record: dict[str, Any] = {
        "base": given.name or given.base, "module": given.module, "rank": given.rank,
        "draws": given.draws, "counts": {},
    }  # fmt: skip
    if given.out.exists():
        record = json.loads(given.out.read_text(encoding="utf-8"))
    if not given.print:
        ask(given, record)
    print("\n".join(page(record)))


def ask(given: argparse.Namespace, record: dict[str, Any]) -> None:
    """Set by set, what is not in the record yet."""
    base, where = ll.open_base(given.base), select_device("auto", "float64")
    bare = untrained_factors(
        base, given.module, given.rank, generator=torch.Generator().manual_seed(0)
    )
    w0, cutoffs = stacked_w0(bare, base, where)
    record["layers"] = len(w0)
    of_w0 = asked(bare, w0, cutoffs=cutoffs)
    once_for_w0()
    # Of each layer alone as many flips as the mean has: nothing more of them is counted.
    flips.FLIPS = prediction.FLIPS = given.draws
    kinds = [*KINDS, *(UNTESTED if given.untested else ())]
    kinds += [f"{kind}, e = {e:g}" for kind in KINDS for e in given.shares]
    for number in range(given.sets):
        for matrix in given.factors:
            made: dict[str, Asked] = {}
            for kind in kinds:
                counts = (
                    record["counts"]
                    .setdefault(kind, {})
                    .setdefault(matrix, {"sets": 0, "found": 0, "untested": 0})
                )
                if counts["sets"] > number:
                    continue
                test = of_pair(kind, matrix, number, of_w0, made, given)
                counts["found"] += test is not None and test <= LEVEL
                counts["untested"] += test is None
                counts["sets"] += 1
        given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"\r{number + 1} of {given.sets} sets", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def of_pair(
    kind: str,
    matrix: Any,
    number: int,
    of: Asked,
    made: dict[str, Asked],
    given: argparse.Namespace,
) -> float | None:
    """Two-sided p of one pair; None where nothing is tested."""
    pair, _, share = kind.partition(", e = ")
    first, second = pair.split(" → ")
    w = of.w0.mT if matrix == "A" else of.w0
    for place, name in enumerate((first, second)):
        key = f"{place} {name} {share}"
        if key not in made:
            generator = torch.Generator().manual_seed(1 + 2 * number + place)
            factor = factor_of(name, w, given.rank, generator, number)
            if share and (place or name == "LoRA"):
                factor = mixed(w @ theta_of(w, given.rank, number), factor, float(share))
            elif share:
                factor = w @ theta_of(w, given.rank, number)
            made[key] = of._replace(factors=with_factor(of.factors, matrix, factor))
    one, other = made[f"0 {first} {share}"], made[f"1 {second} {share}"]
    terms = Terms(given.rank, given.rank, given.draws, seed=number, tests=len(FACTORS))
    found = prediction.carry_over(one, other, matrix, terms, elsewhere=second == "elsewhere")
    test = found.nulls.get("flipped")
    return None if test is None else test.p_two_sided


def theta_of(w: Tensor, rank: int, seed: int) -> Tensor:
    """A Gaussian θ."""
    return torch.randn(
        w.shape[-1], rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def factor_of(name: str, w: Tensor, rank: int, generator: torch.Generator, number: int) -> Tensor:
    """Of every layer, (layer, out, rank)."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    if name == "CondLoRA":
        return w @ normal(w.shape[-1], rank)
    if name == "elsewhere":  # of W0's other side, where that has the rows
        return (
            w.mT @ normal(w.shape[-2], rank)
            if w.shape[-1] == w.shape[-2]
            else w @ normal(w.shape[-1], rank)
        )
    if name == "part":
        return mixed(w @ normal(w.shape[-1], rank), normal(len(w), w.shape[-2], rank), 0.5)
    if number % 2:
        return normal(len(w), w.shape[-2], rank)
    return w @ normal(len(w), w.shape[-1], rank)


def mixed(one: Tensor, other: Tensor, share: float) -> Tensor:
    """A share of the energy from the one, the rest from the other, in every layer."""
    return math.sqrt(share) * one / size(one) + math.sqrt(1 - share) * other / size(other)


def with_factor(factors: ModuleFactors, matrix: str, factor: Tensor) -> ModuleFactors:
    """The module with this factor; the other one is as it was."""
    return replace(factors, b=factor) if matrix == "B" else replace(factors, a=factor.mT)


def once_for_w0() -> None:
    """What depends on W0 alone, or on one adapter alone, is kept: of thousands of pairs on one base it is the same."""
    each = leave_one_out._each
    of_one = once(each)

    def of_each(spill: Any, make: Any, *layers: Any, **how: Any) -> Tensor:
        return (each if len(layers) > 1 else of_one)(spill, make, *layers, **how)

    leave_one_out._each = of_each
    leave_one_out.summed = once(leave_one_out.summed)
    leave_one_out.left_out_sums = once(lambda *of: [*sums(*of)])
    for room in (leave_one_out, hanging_together):
        room.whitening = once(with_inverse(room.whitening))
    hanging_together.gram_of = once(hanging_together.gram_of)
    hanging_together.axes_of = once(hanging_together.axes_of)
    prediction.left_out = once(prediction.left_out, last=4)
    prediction._hang_together = once(prediction._hang_together, last=4)


sums = leave_one_out.left_out_sums


def with_inverse(whitening: Callable[[Tensor], Whitening]) -> Callable[[Tensor], Whitening]:
    """With a triangle's inverse in float64: of hundreds of sets products with it cost less than solves."""

    def whitened(s: Tensor) -> Whitening:
        found = whitening(s)
        eye = torch.eye(len(s), dtype=s.dtype)
        if isinstance(found, Triangular):
            inverse = torch.linalg.solve_triangular(found.factor, eye, upper=False)
            return Explicit(inverse, found.rank, found.sqrt_kappa)
        return found

    return whitened


def once(function: Callable[..., Any], last: int | None = None) -> Callable[..., Any]:
    """The function, computed once for tensors of the same content; of how many it is remembered at last."""
    known: dict[Any, Any] = {}

    def remembered(*of: Any, **how: Any) -> Any:
        key = tuple(told(one) for one in (*of, *how.values()))
        if key not in known:
            known[key] = function(*of, **how)
            if last and len(known) > last:
                known.pop(next(iter(known)))
        return known[key]

    return remembered


def told(one: Any) -> Any:
    """What tells arguments apart: a tensor by its shape and some of its sums, the rest by its text, callables by their code."""
    if isinstance(one, Tensor):
        some = one[..., ::31, ::29] if one.ndim > 1 else one
        return (*one.shape, float(some.sum()), float(some.abs().sum()), *one.stride())
    if isinstance(one, tuple) and any(isinstance(part, Tensor) for part in one):
        return tuple(map(told, one))
    if isinstance(one, Asked):
        return told((one.factors.a, one.factors.b))
    if hasattr(one, "__code__"):
        return one.__code__
    return one if isinstance(one, (int, float, str, bool)) else type(one).__name__


def page(record: dict[str, Any]) -> Iterator[str]:
    """Markdown: of each kind and factor how many of the pairs are called more or less alike."""
    yield (
        f"**{record['base']}, {record['module']}, {record['layers']} layers, rank {record['rank']}**, {record['draws']} draws"
    )
    yield ""
    planted = {kind: of for kind, of in record["counts"].items() if ", e = " in kind}
    rows = [
        [kind, *(cell(counts[matrix]) if matrix in counts else "–" for matrix in FACTORS)]
        for kind, counts in record["counts"].items()
        if kind not in planted
    ]
    if not planted:
        yield from table(["ONE → OTHER", "A", "B"], rows, "lrr")
        return
    shares = list(dict.fromkeys(kind.partition(", ")[2] for kind in planted))
    rows = [
        [pair, matrix, *(rate(planted[f"{pair}, {share}"][matrix]) for share in shares)]
        for pair in dict.fromkeys(kind.partition(", ")[0] for kind in planted)
        for matrix in planted[f"{pair}, {shares[0]}"]
    ]
    yield from table(["ONE → OTHER", "", *shares], rows, "ll" + "r" * len(shares))


def rate(counts: dict[str, int]) -> str:
    """How many are found, and in how many nothing is tested."""
    none = f", no verdict in {counts['untested']}" if counts["untested"] else ""
    return f"{counts['found']} of {counts['sets']}{none}"


def cell(counts: dict[str, int]) -> str:
    """A rate, and its interval; or that nothing is tested."""
    n, k, none = counts["sets"], counts["found"], counts["untested"]
    if none == n:
        return f"no verdict in {n}"
    if none:
        return f"no verdict in {none} of {n}, and {k} found"
    low, high = binomtest(k, n).proportion_ci(SURE)
    return f"{k / n:.3f} ({low:.3f}–{high:.3f}) of {n}"


if __name__ == "__main__":
    main()
