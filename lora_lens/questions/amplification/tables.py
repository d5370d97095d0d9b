"""How much ΔW amplifies directions of W0, as text: Table 7 of Hu et al. 2022."""

from __future__ import annotations

import numpy as np

from ...show.layout import Table, called, signed, significant
from .result import Amplification


def tables(result: Amplification) -> list[Table]:
    """The one table, with whose it is in its title."""
    content = layer_table(result)
    return [
        content._replace(
            title=f"{content.title}; {called(result.adapter)} on {called(result.base)}"
        )
    ]


def legend(_: Amplification) -> list[str]:
    """What the columns mean."""
    return [
        "in ΔW's, W0's, random: U and V the top r singular vectors of ΔW, of W0 itself, and random ones "
        "(root mean square)",
        "z: deviations of its square in ΔW's directions from random ones",
        "amplification: ‖ΔW‖_F / ‖UᵀW0V‖_F in ΔW's directions",
    ]


def layer_table(result: Amplification) -> Table:
    """A row a layer."""
    head = [
        "layer", "r", "‖ΔW‖_F", "‖W0‖_F", "in ΔW's", "in W0's", "in random", "z", "amplification",
    ]  # fmt: skip
    rows = [
        [
            str(one.layer), str(one.rank), significant(one.delta_norm), significant(one.w0_norm),
            significant(one.w0_in_delta), significant(one.w0_in_w0), significant(one.w0_in_random),
            signed(one.z, 1), significant(one.factor) if np.isfinite(one.factor) else "∞",
        ]
        for one in result.layers
    ]  # fmt: skip
    return Table(f"‖UᵀW0V‖_F of {result.module} in three kinds of directions", head, rows)
