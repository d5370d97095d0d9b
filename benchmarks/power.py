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
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from counting import LEVEL, count, parser_of, says
from one_module import one_module
from planting import NOISE, factor
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors

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


def planted(bare: ModuleFactors, w0: Tensor, case: str, number: int) -> ModuleFactors:
    """One data set."""
    generator = torch.Generator().manual_seed(1 + number)
    r = bare.b.shape[-1]
    b, a = (factor(w, case, r, generator) for w in (w0, w0.mT))
    return replace(bare, a=a.mT.contiguous(), b=b)


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


if __name__ == "__main__":
    main()
