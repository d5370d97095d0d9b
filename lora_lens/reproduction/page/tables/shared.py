"""What one θ predicts of the layers' factors: a row an adapter, module and matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ....show.layout import NONE, Table, beside
from ...experiment.paper import NAMES, TASK_NAMES
from ...numbers.shares import Share


def shared_table(shares: Sequence[Share]) -> Table:
    """A row each."""
    rows = [
        [
            TASK_NAMES[one.task],
            str(one.seed),
            NAMES[one.method],
            one.module,
            one.matrix,
            f"{one.share:.4f}",
            beside(one.flipped, one.flipped_sd, 4),
            NONE if math.isnan(one.p_holm) else f"{one.p_holm:.3f}",
            f"{len(one.layers)} of {one.of}",
            NONE if math.isnan(one.carried) else f"{one.carried:.4f}",
            NONE if math.isnan(one.carried) else f"{one.carried_p:.3f}",
        ]
        for one in shares
    ]
    return Table(
        "Share of a layer's factor that one θ fitted to the other layers predicts, mean over the layers; what flips of "
        "each factor on its own W0's singular directions give; p of the difference, Holm over LoRA's rows; layers "
        "found by themselves, Holm over the layers of one factor; and what the same θ predicts of the other method's layers, with its p, "
        "not corrected",
        [
            "task", "seed", "method", "module", "matrix", "share", "flips", "p (Holm)", "layers", "of the other", "p",
        ],
        rows,
    )  # fmt: skip
