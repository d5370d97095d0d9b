"""How much there is to compute."""

from __future__ import annotations

from ...core.work import Size, Work, of_conversions

_NULLS = 2  # whose draws have bases of their own: random factors, and A as it begins


def work(of: Size) -> Work:
    """Of every null that has draws."""
    return of_conversions(of, _NULLS)
