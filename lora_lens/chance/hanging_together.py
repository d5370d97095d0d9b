"""Layers whose factors one θ′ made, ``Q_l = W_l θ′``: how far an adapter's layers hang together so, and flips of θ′ itself.

What a θ predicts of such layers goes up and down in all of them at once, with θ's own overlap with θ′, however unlike their factors
lie in the spaces that they are compared in. Flips of each layer alone take the layers as independent, and their mean scatters half as far.
Where one θ′ made all of them, signs are drawn on the axes of S = Σ W_lᵀW_l instead, in θ′'s own space, and every layer's factor is made
anew of the θ′ that they turn. What is drawn is how far the layers hold more than flips of each alone have on average: of the observed θ′
and of every draw, so that where its factors lie on each W is kept, and what they have in common with any other θ is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.shared.shared_layer import fitted
from ..core.shared.whitening import Whitening, whitening
from .flips import Directions, own_directions
from .gaussian_moments import gaussian_baseline
from .streams import stream

WHOLE = 0.99  # of W_lθ′ in the factors, for every column of the best θ′: less than that one θ′ did not make them
# Product of two adapters' energies from which their layers are no longer taken as independent. Under it the mean was found to scatter 7 % farther at the
# most; trained LoRA on MiniLM and MPNet have up to .18 beside a θ, whose energy is 1 (docs, power).
LEAST = 0.2
_SURE = 2  # deviations of what unrelated layers have in common, which small spaces make large
_TURNED = 4  # flips of each layer: of two layers 16 pairs of them, so that three layers have 48
_ENTRIES = 1 << 22  # numbers at once


class HangTogether(NamedTuple):
    """How far the layers of one adapter hang together by a θ′ of their own.

    Attributes:
        energy: How far, by what every two layers' factors have in common once both are pulled back to θ′'s space: 0 as flips of each layer alone
            have it, 1 as factors of one Gaussian θ′ have it. It grows with the share of the factors' energy that one θ′ made, and is above it in between.
        theta: θ′, where it made all of them (`WHOLE`).
        axes: S's eigenvectors, where there is a θ′.
    """

    energy: float
    theta: Float[Tensor, "in r"] | None = None
    axes: Float[Tensor, "in m"] | None = None


class PulledBack:
    """What one pass over the layers gathers of W and of some factors in its output space, for `HangTogether`.

    Example:
        >>> from lora_lens.chance.flips import directions
        >>> w, unlike = (torch.randn(4, 30, k, generator=stream(k), dtype=torch.float64) for k in (30, 1))
        >>> pulled = PulledBack()
        >>> for layer, one in enumerate(w):
        ...     both = unlike[layer], one @ torch.ones(30, 1).double()
        ...     pulled.add(directions(one), [torch.linalg.qr(factor).Q for factor in both])
        >>> [(found.energy < 0.4, found.theta is not None) for found in pulled.hang_together()]
        [(True, False), (False, True)]
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._s: Tensor | None = None
        self._factors: list[_OfLayers] = []

    def add(self, of: Directions, factors: Sequence[Float[Tensor, "out _"]]) -> None:
        """One layer's.

        Args:
            of: W's directions, transposed where the factors are A.
            factors: Orthonormal bases, of as many columns each in every layer.
        """
        gram = gram_of(of)
        self._s = gram if self._s is None else self._s + gram
        self._factors = self._factors or [_OfLayers([], [], []) for _ in factors]
        for found, q in zip(self._factors, factors, strict=True):
            own, layer = own_directions(of, q), len(found.rows)
            found.rows.append(own.rows(own.inside[None]))
            found.turned.append(own.turned_rows(_TURNED, stream(self._seed, 1 + layer)))
            shape = len(gram), q.shape[-1]
            theta = torch.randn(shape, generator=stream(self._seed), dtype=torch.float64)
            found.made.append(theta.to(gram).mT[None] @ gram)

    def hang_together(self) -> list[HangTogether]:
        """Of each of the factors, in the layers that were added."""
        if self._s is None or any(len(of.rows) < 2 for of in self._factors):
            return [HangTogether(0.0) for _ in self._factors]
        space = whitening(self._s)
        found = [_hang_together(space, of) for of in self._factors]
        if all(theta is None for _, theta in found):
            return [HangTogether(energy) for energy, _ in found]
        axes = axes_of(self._s)
        return [HangTogether(*one, None if one[1] is None else axes) for one in found]


class _OfLayers(NamedTuple):
    """Rows ``QᵀW`` of one factor, (variant, r, in) of each layer: its own, flips of it, and of factors that one Gaussian θ makes."""

    rows: list[Tensor]
    turned: list[Tensor]
    made: list[Tensor]


def _hang_together(space: Whitening, of: _OfLayers) -> tuple[float, Tensor | None]:
    """The energy, and θ′ where it made all layers."""
    own, chance, one = (in_common(space.whiten(torch.stack(rows))) for rows in of)
    rows = torch.cat(of.rows)
    layers, r, _ = rows.shape
    if one <= chance:
        return 0.0, None
    sd = gaussian_baseline(space.rank, r, r).sd if r < space.rank else 0.0
    unsure = _SURE * sd / math.sqrt(layers * (layers - 1) / 2)
    energy = min(1.0, max(0.0, (own - chance - unsure) / (one - chance))) ** 0.5
    fit = fitted(space, rows.flatten(0, 1), r)
    whole = len(fit.values) >= r and float(fit.values[r - 1]) >= WHOLE and energy >= LEAST
    return energy, fit.theta if whole else None


def gram_of(of: Directions) -> Float[Tensor, "in in"]:
    """WᵀW, W at unit norm.

    Example:
        >>> from lora_lens.chance.flips import directions
        >>> gram_of(directions(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))).round(decimals=2)
        tensor([[0.3600, 0.0000],
                [0.0000, 0.6400]], dtype=torch.float64)
    """
    return (of.v * (of.s / torch.where(of.s.norm() > 0, of.s.norm(), 1)) ** 2) @ of.v.mT


def axes_of(s: Float[Tensor, "in in"]) -> Float[Tensor, "in in"]:
    """Eigenvectors of S.

    Example:
        >>> axes_of(torch.diag(torch.tensor([2.0, 1.0]))).abs()
        tensor([[0., 1.],
                [1., 0.]])
    """
    return torch.linalg.eigh(s).eigenvectors


def in_common(white: Float[Tensor, "layer n r in"]) -> float:
    """Mean over every two layers, and all n² pairs of their variants, of the share that their row spaces have in common.

    Example:
        >>> unlike, alike = (one.double().reshape(3, 1, 1, 3) for one in (torch.eye(3), torch.ones(3, 3)))
        >>> round(in_common(unlike), 6), round(in_common(alike), 6)
        (0.0, 1.0)
    """
    layers, variants, r, _ = white.shape
    bases = torch.linalg.qr(white.mT).Q.movedim(1, 0)  # variant, layer, in, r
    total, pairs = 0.0, 0
    for one in range(variants):
        for other in range(variants):
            for shift in range(1, layers):  # each of the two in turn
                held = bases[one].mT @ bases[other].roll(shift, 0)
                total += float(held.square().sum((-2, -1)).mean()) / r
                pairs += 1
    return total / max(1, pairs)


def independent(one: float, other: float) -> bool:
    """Whether flips of each layer alone will do for two adapters whose layers hang together so far.

    Example:
        >>> independent(1.0, 0.1), independent(1.0, 0.5)
        (True, False)
    """
    return one * other < LEAST


def flips_of_theta(
    of: HangTogether,
    layers: Iterable[tuple[Directions, Float[Tensor, "out k"]]],
    draws: int,
    generator: torch.Generator,
) -> Float[Tensor, "draw layer"]:
    """What fixed subspaces hold of every layer's factor, with θ′ turned by random signs on S's axes, the same ones in all layers; less its mean over flips of the layer alone.

    Turned θ′ lie on S's axes as θ′ does, and their factors not on each layer's own W as trained ones do, which is in common with nothing either. That mean knows it, of the
    observed factors and of those of each draw: it is taken away of every draw, and whoever asks adds that of the observed ones.

    Args:
        of: With a θ′.
        layers: W's directions and orthonormal columns (or columns of 0), one layer at a time.
        draws: How many.
        generator: Of the signs.

    Returns:
        ‖PᵀQ′‖_F²/r of each draw and layer without `over_flips` of it, on the CPU.

    Example:
        θ′ turns from (1, 1) to (1, −1), or not, in both layers at once.

        >>> from lora_lens.chance.flips import directions
        >>> w, p = torch.diag_embed(torch.tensor([[1.0, 1.001], [1.0, 2.0]])), torch.tensor([[0.6], [0.8]])
        >>> of = HangTogether(1.0, theta=torch.ones(2, 1).double(), axes=torch.eye(2).double())
        >>> layers = [(directions(one), p.double()) for one in w]
        >>> drawn = flips_of_theta(of, layers, 20, torch.Generator().manual_seed(0))
        >>> drawn.round(decimals=3).unique(dim=0)
        tensor([[-0.4800, -0.3840],
                [ 0.4800,  0.3840]], dtype=torch.float64)
    """
    assert of.theta is not None
    assert of.axes is not None
    inside = of.axes.mT @ of.theta
    signs = torch.randint(0, 2, (draws, len(inside), 1), generator=generator, dtype=torch.int8)
    turned = _times(of.axes, (signs * 2 - 1).to(inside) * inside)
    found = []
    for w, held in layers:
        p = w.u.mT @ held.double()
        step = max(1, _ENTRIES // turned[0].numel())
        shares = []
        for some in turned.split(step):
            q = torch.linalg.qr(w.s[:, None] * _times(w.v.mT, some)).Q
            share = (p.mT @ q).square().sum((-2, -1)) - over_flips(w, p, q)
            shares.append(share.cpu() / inside.shape[-1])
        found.append(torch.cat(shares))
    return torch.stack(found, -1)


def _times(one: Float[Tensor, "m d"], many: Float[Tensor, "draw d r"]) -> Float[Tensor, "draw m r"]:
    """One matrix times many narrow ones, as one product: it is read once, and not once for each of them."""
    return torch.tensordot(one, many, dims=([1], [1])).movedim(1, 0)


def over_flips(
    w: Directions, p: Float[Tensor, "m k"], q: Float[Tensor, "draw m r"]
) -> Float[Tensor, " draw"]:
    """Mean of ‖PᵀQ′‖_F² over flips Q′ of each Q alone, both in the coordinates of W's directions.

    Example:
        >>> from lora_lens.chance.flips import directions
        >>> line = torch.tensor([[0.6], [0.8]], dtype=torch.float64)
        >>> over_flips(directions(torch.diag(torch.tensor([2.0, 1.0]))), line, line[None]).round(decimals=4)
        tensor([0.5392], dtype=torch.float64)
    """
    held = p.square().sum(-1)
    for cluster in w.clusters:
        held[cluster] = held[cluster].mean()
    return q.square().sum(-1) @ held
