"""What the same W0⁻¹ makes of random factors: φ of conversions of two adapters that have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ...chance.given_spectrum import reshaping
from ...chance.given_subspace import PairMoments
from ...core.factors.bases import orthonormal_basis
from ...core.factors.decompositions import singular_values
from ...core.factors.triangle import triangle
from ...core.similarity.phi_of_bases import phi_of_all_pairs

_MOST, _LEAST = 128, 48  # random factors, whose every pair is a draw of the null
_COLUMNS = 2048  # of all of them together, unless the least have more: the wider, the less φ of two scatters
_WHOLE = 1 - 1e-9  # φ of two that span all there is
_PROFILES = 8  # kinds of singular values of one rank


def drawn(columns: int) -> int:
    """How many random factors of so many columns.

    Example:
        >>> [drawn(columns) for columns in (8, 32, 128)]
        [128, 64, 48]
    """
    return max(_LEAST, min(_MOST, _COLUMNS // columns))


class _Kind(NamedTuple):
    """Factors that one draw stands for: how many directions of how many columns, and with which singular values; −1 of whole spans."""

    width: int
    rank: int
    profile: int


class ConversionsByChance:
    """Of one matrix.

    Whole spans have one law whatever the factors' singular values are. Leading directions have that of factors with the adapters'
    own ones: adapters of one rank are parted into eight kinds at most by theirs, and a kind's draws have those of its adapters in turn.
    """

    def __init__(self) -> None:
        self._widths: list[int] = []
        self._spectra: list[tuple[float, ...]] = []  # none where the whole span is taken
        self._bases: dict[_Kind, Tensor] = {}
        self._phi: dict[tuple[_Kind, _Kind], Tensor] = {}

    def add(self, factor: Float[Tensor, "n r"], rank: int, width: int) -> None:
        """An adapter, in their order.

        Args:
            factor: Its columns, before W0⁻¹.
            rank: Of the factor.
            width: Directions of its conversions that are compared: all, so many that order matters, or none.
        """
        self._widths.append(width)
        if not 0 < width < rank:
            self._spectra.append(())
            return
        s = singular_values(triangle(factor[None]))[0, :rank]
        self._spectra.append(tuple((s / s[0]).tolist()))

    def add_none(self, count: int) -> None:
        """So many adapters without conversions."""
        self._widths += [0] * count
        self._spectra += [()] * count

    @property
    def columns(self) -> int:
        """That the random factors need."""
        return max((max(w, len(s)) for w, s in zip(self._widths, self._spectra, strict=True)), default=0)  # fmt: skip

    def draw(self, rows: Float[Tensor, "draw r n"], solved: Float[Tensor, "draw d r"]) -> None:
        """Take the random factors, of `columns` columns or more, and what W0⁻¹ makes of them."""
        self._rows, self._solved = rows, solved

    def moments(self, one: range, other: range) -> PairMoments:
        """Mean and deviation of φ for each pair of some adapters and some others; NaN where one has none."""
        kinds = [[self._kinds[n] for n in side] for side in (one, other)]
        mean, sd = (
            torch.full((len(one), len(other)), torch.nan, dtype=torch.float64) for _ in range(2)
        )
        for m in sorted({*kinds[0]}):
            for n in sorted({*kinds[1]}):
                if not (m.width and n.width):
                    continue
                drawn = self._drawn(min(m, n), max(m, n))
                at = _is(kinds[0], m)[:, None] & _is(kinds[1], n)
                whole = bool(drawn.min() > _WHOLE)  # whose deviation is rounding
                mean[at], sd[at] = (1.0, 0.0) if whole else (drawn.mean(), drawn.std())
        return PairMoments(mean, sd)

    @cached_property
    def _profiles(self) -> dict[tuple[float, ...], int]:
        """Of each spectrum among those of its rank, sorted, which is no order of the adapters'."""
        by_rank: dict[int, list[tuple[float, ...]]] = {}
        for s in sorted({*self._spectra}):
            by_rank.setdefault(len(s), []).append(s)
        return {
            s: place * min(_PROFILES, len(some)) // len(some)
            for some in by_rank.values()
            for place, s in enumerate(some)
        }

    @cached_property
    def _kinds(self) -> list[_Kind]:
        return [
            _Kind(width, len(s), self._profiles[s]) if s else _Kind(width, width, -1)
            for width, s in zip(self._widths, self._spectra, strict=True)
        ]

    def _drawn(self, one: _Kind, other: _Kind) -> Float[Tensor, " pair"]:
        """φ of every two random factors of two kinds."""
        if (one, other) not in self._phi:
            found = phi_of_all_pairs(self._basis(one), self._basis(other))
            self._phi[one, other] = found[~torch.eye(len(found), dtype=torch.bool)]
        return self._phi[one, other]

    def _basis(self, kind: _Kind) -> Float[Tensor, "draw d i"]:
        if kind not in self._bases:
            self._bases[kind] = self._basis_of(kind)
        return self._bases[kind]

    def _basis_of(self, kind: _Kind) -> Float[Tensor, "draw d i"]:
        # The first columns of a Gaussian factor are a Gaussian factor.
        solved = self._solved[:, :, : kind.rank]
        if kind.profile < 0:
            return torch.linalg.qr(solved).Q
        alike = (kind.rank, kind.profile)
        own = [s for s, profile in self._profiles.items() if (len(s), profile) == alike]
        turned = torch.cat(
            [
                reshaping(
                    rows[None, : kind.rank],
                    rows.new_tensor(own[k * len(own) // len(self._rows)]),
                    kind.rank,
                )
                for k, rows in enumerate(self._rows)
            ]
        )
        return orthonormal_basis(solved @ turned, kind.width, ordered=True)


def _is(kinds: Sequence[_Kind], one: _Kind) -> Tensor:
    return torch.tensor([kind == one for kind in kinds], dtype=torch.bool)
