"""How much there is to compute."""

from __future__ import annotations

from ...core.computing.work import Size, Work


def work(of: Size) -> Work:
    """One decomposition of W0 a layer, one of each dense ΔW, and small products of every draw."""
    flips = 2 * of.layers * of.draws * (of.rows + of.columns) * of.rank**2
    return Work(flips, (1 + of.dense) * of.layers * of.one_w0, of.layers * of.draws)
