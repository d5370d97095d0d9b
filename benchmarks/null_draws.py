"""Whether the propagated null is what uniform factors give: python benchmarks/null_draws.py BASE --module value.

Second route, for square W0: as many sets of Gaussian factors as the null has draws, each solved with an LU in float64 and made
orthonormal by QR, with nothing of lora-lens in between. Printed are mean and deviation of the mean φ over all pairs of
layers, of draws and of sets, how many sets lie above the draws' upper twentieth, and the two-sample Kolmogorov-Smirnov p.
"""

from __future__ import annotations

import argparse

import numpy as np
import page_table
import torch
from one_module import one_module
from scipy import stats
from torch import Tensor

import lora_lens as ll
from lora_lens.subspaces.untrained import untrained_factors


def main() -> None:
    """Draw, solve, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("--module", required=True)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--draws", type=int, default=2000)
    asked = parser.parse_args()
    base = ll.open_base(asked.base)
    generator = torch.Generator().manual_seed(0)
    factors = untrained_factors(base, asked.module, asked.rank, generator=generator)
    result = ll.conversion_similarity(
        one_module(factors, base, "untrained"),
        asked.module,
        convention="consistent",
        matrices=["A", "B"],
        draws=asked.draws,
        base=base,
    )
    w0 = [base.w0(factors, k).double() for k in range(len(factors.layers))]
    rows = []
    for matrix, sides in (("A", [w.mT for w in w0]), ("B", w0)):
        drawn = result[matrix].baselines["propagated"].drawn
        assert drawn is not None
        draws = means_of(drawn)
        solvers = [torch.linalg.lu_factor(side) for side in sides]
        sets = np.array([mean_phi(solvers, asked.rank, generator) for _ in range(asked.draws)])
        above = float((sets > np.quantile(draws, 0.95)).mean())
        rows.append(
            [
                matrix,
                *(f"{one.mean():.5f} ± {one.std(ddof=1):.5f}" for one in (draws, sets)),
                f"{100 * above:.1f} %",
                f"{stats.ks_2samp(sets, draws).pvalue:.2f}",
            ]
        )
    print(
        f"{asked.base}, {asked.module}, {len(w0)} layers, rank {asked.rank}, {asked.draws} of each"
    )
    print()
    head = ["", "draws", "sets", "sets above 95 % of draws", "KS p"]
    print("\n".join(page_table.table(head, rows)))


def means_of(drawn: np.ndarray) -> np.ndarray:
    """Of each draw, over pairs of different layers."""
    return drawn[:, *np.triu_indices(drawn.shape[-1], 1)].astype(float).mean(1)


def mean_phi(solvers: list[tuple[Tensor, Tensor]], rank: int, generator: torch.Generator) -> float:
    """Of one set of factors: mean φ of their conversions."""
    bases = []
    for packed, pivots in solvers:
        factor = torch.randn(len(packed), rank, generator=generator, dtype=torch.float64)
        bases.append(torch.linalg.qr(torch.linalg.lu_solve(packed, pivots, factor)).Q)
    layers = len(bases)
    cosines = torch.cat([one.mT for one in bases]) @ torch.cat(bases, dim=1)
    phi = cosines.reshape(layers, rank, layers, rank).square().sum((1, 3)) / rank
    return float(means_of(phi[None].numpy())[0])


if __name__ == "__main__":
    main()
