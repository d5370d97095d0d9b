"""How much there is to compute."""

from __future__ import annotations

from ...core.computing.work import Size, Work, of_factors


def work(of: Size) -> Work:
    """Between two adapters, without draws."""
    return of_factors(of)
