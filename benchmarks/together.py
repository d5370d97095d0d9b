"""Whether adapters of one base share a layer together, where none does by itself: python benchmarks/together.py BASE ADAPTER ….

For each module and factor the mean of the adapters' predicted shares, as `lora-lens shared` has them, beside the same mean
after random sign flips on W0's own singular directions, one set of signs for all adapters: what they have in common, of
a start or of what they learnt, they keep, so that no adapter counts as evidence of its own. p is two-sided.
With --out what is found is kept; --print prints it again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from of_adapters import parser_of
from page_table import table
from torch import Tensor

import lora_lens as ll
from lora_lens.chance.p_values import two_sided_p
from lora_lens.core.shared.leave_one_out_sums import left_out_sums
from lora_lens.core.shared.shared_layer import fitted, predicted_basis, predicted_share, unit_norm
from lora_lens.core.shared.whitening import Whitening, whitening

Letter = Literal["A", "B"]


def main() -> None:
    """Ask, keep, print."""
    parser = parser_of(__doc__, draws=199)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if not given.print:
        record = {
            "adapters": [folder.name for folder in given.adapters],
            "draws": given.draws,
            "seed": given.seed,
            "found": {
                f"{module}, {letter}": asked(given, module, letter)
                for module in given.modules
                for letter in ("A", "B")
            },
        }
        given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(page(json.loads(given.out.read_text(encoding="utf-8")))))


def asked(given: argparse.Namespace, module: str, letter: Letter) -> dict[str, Any]:
    """The mean over adapters of one factor, and of its flips; and each adapter's own share."""
    adapters = [ll.load_adapter(folder, given.base) for folder in given.adapters]
    base = ll.open_base(given.base)
    factors = [adapter.modules[module] for adapter in adapters]
    layers = range(len(factors[0].names))
    w = torch.stack([base.w0(factors[0], layer) for layer in layers])
    w = unit_norm(w.mT if letter == "A" else w)
    q = [torch.linalg.qr((one.a.mT if letter == "A" else one.b).double())[0] for one in factors]
    whole = Together(w, torch.stack(q))
    own = whole.shares(torch.ones(w.shape[:2]))
    generator = torch.Generator().manual_seed(given.seed)
    drawn = []
    for draw in range(given.draws):
        signs = torch.randint(0, 2, w.shape[:2], generator=generator) * 2.0 - 1
        drawn.append(whole.shares(signs).mean())
        print(f"{module}, {letter}: {draw + 1} of {given.draws}", end="\r", flush=True)
    null = np.array([float(one) for one in drawn])
    return {
        "shares": own.tolist(),
        "mean": float(own.mean()),
        "flips": float(null.mean()),
        "sd": float(null.std(ddof=1)),
        "p": float(two_sided_p(np.array(float(own.mean())), null)),
    }


class Together:
    """Shares of several adapters' factors on one W0, whose signs on W0's left singular directions are flipped together."""

    def __init__(self, w: Tensor, q: Tensor) -> None:
        """`w`: (layer, out, in), of norm 1; `q`: (adapter, layer, out, r), orthonormal."""
        u, s, vh = torch.linalg.svd(w, full_matrices=False)
        self.on_own, self.rows = (u.mT @ q).float(), (s[..., None] * vh).float()
        sums = left_out_sums(w.mT @ w, torch.zeros_like(w[0].mT @ w[0]))
        self.spaces: Sequence[Whitening] = [whitening(one).single() for one in sums]

    def shares(self, signs: Tensor) -> Tensor:
        """Mean over layers of each adapter's share; `signs`: (layer, direction)."""
        q = signs[..., None] * self.on_own
        rows = q.mT @ self.rows
        return torch.stack([self._share(*one) for one in zip(q, rows, strict=True)])

    def _share(self, q: Tensor, rows: Tensor) -> Tensor:
        shares = []
        for layer, space in enumerate(self.spaces):
            others = torch.cat([rows[:layer], rows[layer + 1 :]]).flatten(0, 1)
            theta = fitted(space, others, q.shape[-1]).theta
            shares.append(predicted_share(predicted_basis(self.rows[layer], theta), q[layer]))
        return torch.stack(shares).mean()


def page(record: dict[str, Any]) -> Iterator[str]:
    """Markdown: shares in %."""
    rows = [
        [
            name,
            f"{100 * one['mean']:.2f}",
            f"{100 * one['flips']:.2f} ± {100 * one['sd']:.2f}",
            f"{(one['mean'] - one['flips']) / one['sd']:+.1f}".replace("-", "−"),
            f"{one['p']:.3f}",
        ]
        for name, one in record["found"].items()
    ]
    yield from table(["module, factor", "mean share, %", "common flips, %", "z", "p"], rows)


if __name__ == "__main__":
    main()
