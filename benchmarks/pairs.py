"""How often `compare` says anything of two adapters that share nothing, and what it sees: python benchmarks/pairs.py BASE.

Pairs of factors on a real base, asked as a user asks. At e = 0 the two share nothing: uniform factors, and ones along
the leading singular directions of the same W0 (``B_l = W_lθ_l`` and ``B'_l = W_lθ'_l``, Gaussian θ; A by W_lᵀ). Else
a share e of the second's energy is the first's own factor: ``B'_l = √e·B_l/‖B_l‖ + √(1−e)·N_l/‖N_l‖``.

Printed is, by null, the share of pairs in which the mean φ of B has p ≤ .05, two-sided; and the share of which anything
at all is said, of A or B, after correction. With --out counts are kept as they come, and a run that was stopped goes
on; --print prints them again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from counting import LEVEL, count, parser_of, says
from one_module import one_module
from planting import factor, size
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.chance.flips import Directions, directions
from lora_lens.questions.comparison import nulls

KINDS = ("uniform", "leading")


def main() -> None:
    """Plant, ask, count, print."""
    nulls.directions = remembered(directions)  # type: ignore[assignment]
    asked = parser_of(__doc__, draws=199, sets=300, shares=(0.003, 0.01, 0.03)).parse_args()

    def found(
        bare: ModuleFactors, w0: Tensor, base: Any, case: str, number: int
    ) -> dict[str, bool]:
        return ask(planted(bare, w0, case, number), base, asked.draws, number)

    count(asked, [*KINDS, *(f"{e:g}" for e in asked.shares)], found)


def remembered(
    directions: Callable[[Tensor, float], Directions],
) -> Callable[[Tensor, float], Directions]:
    """The decomposition of each W0 made once for all sets: it takes four fifths of a set's time, and is the same in all."""
    known: dict[bytes, Directions] = {}

    def found(w: Tensor, cutoff: float) -> Directions:
        key = hashlib.sha256(w.contiguous().numpy().tobytes()).digest()
        if key not in known:
            known[key] = directions(w, cutoff)
        return known[key]

    return found


def planted(bare: ModuleFactors, w0: Tensor, case: str, number: int) -> list[ModuleFactors]:
    """One pair; the first of a pair that shares something lies along W0's leading directions, as trained ones do."""
    generator = torch.Generator().manual_seed(1 + number)
    r = bare.b.shape[-1]
    kind = case if case in KINDS else "leading"
    one, other = ([factor(w, kind, r, generator) for w in (w0, w0.mT)] for _ in range(2))
    if case not in KINDS:
        e = float(case)
        other = [
            math.sqrt(e) * shared / size(shared) + math.sqrt(1 - e) * own / size(own)
            for shared, own in zip(one, other, strict=True)
        ]
    return [replace(bare, a=a.mT.contiguous(), b=b) for b, a in (one, other)]


def ask(pair: list[ModuleFactors], base: Any, draws: int, number: int) -> dict[str, bool]:
    """What is found of one pair, by null."""
    one, other = (one_module(factors, base, "planted") for factors in pair)
    compared = ll.compare(one, other, pair[0].module, draws=draws, seed=number, base=base)
    found = {"`compare` says anything": says(compared)}
    for null, test in compared["B"].tests.items():
        found[f"mean φ of B, {null}"] = test.of_mean.p_two_sided <= LEVEL
    return found


if __name__ == "__main__":
    main()
