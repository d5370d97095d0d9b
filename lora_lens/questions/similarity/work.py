"""How much there is to compute."""

from __future__ import annotations

from ...core.computing.work import Size, Work, of_bases, of_grids

_NULLS = 2  # whose draws have bases of their own: random factors, and A as it begins


def work(of: Size) -> Work:
    """Of every null that has draws."""
    return Work().plus(*passes(of, _NULLS))


def passes(of: Size, nulls: int) -> tuple[Work, Work]:
    """What is done one after the other: conversions and draws of so many nulls, and φ between these."""
    return of_bases(of, nulls), of_grids(of, nulls)
