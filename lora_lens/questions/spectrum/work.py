"""How much there is to compute."""

from __future__ import annotations

from ...core.computing.work import Size, Work, of_factors


def work(of: Size, *, beside_w0: bool) -> Work:
    """Beside W0 three decompositions a layer: of W0, of W0 + ΔW, and of one with a random ΔW."""
    spectra = Work(decompositions=3 * of.layers * of.one_w0 if beside_w0 else 0)
    return of_factors(of).plus(spectra)
