"""How much there is to compute."""

from __future__ import annotations

from ...chance.null_names import DRAWN, WITHOUT_SVD
from ...core.computing.work import Size, Work, of_bases, of_grids


def work(of: Size) -> Work:
    """Of every null that has draws and takes no SVD of W0, as a report has them."""
    return Work().plus(*passes(of, len({*DRAWN} & {*WITHOUT_SVD})))


def passes(of: Size, nulls: int) -> tuple[Work, Work]:
    """What is done one after the other: conversions and draws of so many nulls, and φ between these."""
    return of_bases(of, nulls), of_grids(of, nulls)
