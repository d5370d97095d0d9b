"""How much there is to compute."""

from __future__ import annotations

from ...core.work import Size, Work, of_conversions

_NULLS = 2  # whose draws have bases of their own: random factors, and A as it begins


def work(of: Size) -> Work:
    """Of every null; the one without draws takes a decomposition of each W0."""
    return of_conversions(of, _NULLS).plus(Work(decompositions=of.layers * of.one_w0))
