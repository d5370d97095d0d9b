"""Nulls of conversion matrices: what φ is where nothing was learned that layers could share.

Two independent random factors give conversion matrices that are *not* independent uniform
subspaces: W0⁻¹ amplifies W0's small singular directions, and layers share some of them. The nulls
`THROUGH_W0` keep W0 and change the factor: ``propagated`` (Gaussian), ``initialisation`` (A as PEFT
starts it), ``mismatched`` (the adapter's own factors, shuffled over the layers) and ``flipped`` (the
layer's own, its parts along W0's singular directions turned by random signs). Here are the first
three's, and φ of all draws.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.computing.progress import Progress, untold
from ..core.similarity.phi_of_bases import phi_of_all_pairs, phi_of_bases

ENTRIES = 1 << 22  # numbers at once in a product of bases
FEWEST_LAYERS = 3  # of which factors can be mismatched in more than one way
TOO_FEW_LAYERS = f"it takes at least {FEWEST_LAYERS} layers to mismatch"
_MOST_ENUMERATED = 7  # layers: 5040 orders


def null_grids(
    u: Float[Tensor, "draw layer d i"],
    v: Float[Tensor, "draw layer d j"],
    after_each: Callable[[], None] = lambda: None,
    progress: Progress = untold,
) -> Float[Tensor, "draw layer layer"]:
    """φ between all pairs of layers in each of many independent draws of a null.

    Off the diagonal a draw compares its own two layers, whose factors are independent. On the
    diagonal layer l is compared with itself in the *next* draw, so that both factors are
    independent there too: it says how alike one W0 makes two unrelated factors. With a single draw
    the diagonal is 1.

    `after_each` is called after some draws: those are not needed any more, but for the first. `progress` is called
    with (draws done, draws).

    Example:
        >>> lines = torch.eye(2)[torch.tensor([[0, 1], [0, 0]])][..., None]  # of two layers, in two draws
        >>> null_grids(lines, lines)
        tensor([[[1., 0.],
                 [0., 0.]],
        <BLANKLINE>
                [[1., 1.],
                 [1., 0.]]])
    """
    draws, layers, d = u.shape[:3]
    columns = layers * max(u.shape[-1], v.shape[-1])
    step = max(1, ENTRIES // (columns * max(d, columns)))
    parts, diagonals = [], []
    for start in range(0, draws, step):
        stop = min(start + step, draws)
        one = u[start:stop]
        parts.append(phi_of_all_pairs(one, v[start:stop]))
        # Layer by layer, for a product of all would first copy them into one piece.
        before, after = one[: draws - 1 - start], v[start + 1 : stop + 1]
        each = [phi_of_bases(before[:, layer], after[:, layer]) for layer in range(layers)]
        diagonals.append(torch.stack(each, dim=-1))
        after_each()
        progress(stop, draws)
    diagonal = torch.cat([*diagonals, phi_of_bases(u[-1:], v[:1])])
    return torch.diagonal_scatter(torch.cat(parts), diagonal, dim1=-2, dim2=-1)


def gaussian_factors(
    draws: int, rank: int, size: int, generator: torch.Generator
) -> Float[Tensor, "draws rank size"]:
    """`draws` standard Gaussian factors, the columns of a right-hand side as rows.

    Drawn in float32 on the CPU, so that every device sees the same numbers.

    Example:
        >>> drawn = gaussian_factors(100, 4, 25, torch.Generator().manual_seed(0))
        >>> drawn.shape, bool(abs(drawn.mean()) < 0.04), bool(abs(drawn.std() - 1) < 0.03)
        (torch.Size([100, 4, 25]), True, True)
    """
    return torch.randn(draws, rank, size, generator=generator, dtype=torch.float32)


def initial_factors(
    draws: int, rank: int, size: int, generator: torch.Generator
) -> Float[Tensor, "draws rank size"]:
    """`draws` A's as PEFT initialises them: ``kaiming_uniform_(a=√5)``, uniform within ±1/√in.

    PEFT starts B at zero, which has no subspace.

    Example:
        >>> drawn = initial_factors(100, 4, 25, torch.Generator().manual_seed(0))
        >>> [round(end.item(), 2) for end in drawn.aminmax()], bool(abs(drawn.std() - 0.2 / 3**0.5) < 0.003)
        ([-0.2, 0.2], True)
    """
    bound = 1 / math.sqrt(size)
    drawn = torch.rand(draws, rank, size, generator=generator, dtype=torch.float32)
    return (2 * drawn - 1) * bound


def shuffles(layers: int, *, draws: int, generator: torch.Generator) -> Int[Tensor, "draws layer"]:
    """Orders of the layers' factors: every one but the layers' own where `draws` suffice, else so many at random.

    Of few layers they are drawn without repetition. Row t gives layer l the factor of layer ``[t, l]``; some layers may keep theirs. Orders in which none
    does would be further from the layers' own than those are from each other: a test at a level of
    5 % then rejects 9 % of untrained adapters of six layers. All orders together form a group, and
    (b+1)/(n+1) holds its level wherever factors are exchangeable (Phipson and Smyth 2010;
    Hemerik and Goeman 2018).

    Example:
        >>> shuffles(3, draws=10, generator=torch.Generator()).tolist()
        [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    """
    if layers <= _MOST_ENUMERATED:
        every = torch.tensor(list(itertools.permutations(range(layers))), dtype=torch.int64)[
            1:
        ]  # the first is in place
        if len(every) <= draws:
            return every
        return every[torch.randperm(len(every), generator=generator)[:draws]]
    return torch.stack([torch.randperm(layers, generator=generator) for _ in range(draws)])


def mismatched_cells(
    bases: Float[Tensor, "layer donor d k"], i: int, j: int
) -> Float[Tensor, "n layer layer"]:
    """φ of layer l's W0 with the factor of p against m's with that of q, for all p ≠ q but p = l and q = m at once.

    With p = q both conversion matrices would have a factor in common. There are n = L² − L − 1 such
    pairs for each two layers; NaN on the diagonal.

    Args:
        bases: Of layer l's W0 with the factor of every donor.
        i, j: Leading vectors of the row's and of the column's layer.

    Example:
        >>> lines = torch.eye(2)[torch.tensor([[0, 0], [0, 1]])][..., None]  # by layer, and by donor
        >>> mismatched_cells(lines, 1, 1)
        tensor([[[nan, 1.],
                 [1., nan]]])
    """
    layers = len(bases)
    place = torch.arange(layers)
    one, other = place[:, None], place[None, :]
    every = bases[..., :j].flatten(0, 1)
    found = bases.new_full((layers * layers - layers - 1, layers, layers), torch.nan)
    for l in range(layers):
        phi = phi_of_all_pairs(bases[l, :, :, :i], every).unflatten(-1, (layers, layers))
        for m in range(layers):
            if l != m:
                kept = (one != other) & ((one != l) | (other != m))
                found[:, l, m] = phi[:, m][kept.to(phi.device)]
    return found


def mismatched_grids(
    bases: Float[Tensor, "layer donor d k"], i: int, j: int, orders: Int[Tensor, "draw layer"]
) -> Float[Tensor, "draw layer layer"]:
    """φ between all pairs of layers with the factors shuffled over them; NaN on the diagonal.

    Args:
        bases: Of layer l's W0 with the factor of every donor.
        i, j: Leading vectors of the row's and of the column's layer.
        orders: From `shuffles`.

    Example:
        >>> lines = torch.eye(2)[torch.tensor([[0, 0], [0, 1]])][..., None]  # by layer, and by donor
        >>> mismatched_grids(lines, 1, 1, torch.tensor([[1, 0], [0, 1]]))  # exchanged, and in place
        tensor([[[nan, 1.],
                 [1., nan]],
        <BLANKLINE>
                [[nan, 0.],
                 [0., nan]]])
    """
    layers, _, d, k = bases.shape
    place = torch.arange(layers, device=bases.device)
    step = max(1, ENTRIES // (layers * k * max(d, layers * k)))
    parts = []
    for some in orders.to(bases.device).split(step):
        chosen = bases[place, some]
        parts.append(phi_of_all_pairs(chosen[..., :i], chosen[..., :j]))
    grids = torch.cat(parts)
    return grids.diagonal_scatter(grids.new_full(grids.shape[:2], torch.nan), dim1=-2, dim2=-1)


def mismatched_layers(
    phi: Float[Tensor, "layer layer"], orders: Int[Tensor, "draw layer"]
) -> tuple[Float[Tensor, "draw layer"], Float[Tensor, "n layer"]]:
    """φ of each layer of one adapter with a layer of another that `orders` gives it; and with every layer but its own.

    Args:
        phi: Of the one's layers (rows) with the other's.
        orders: From `shuffles`.

    Example:
        >>> phi = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.9, 0.4], [0.5, 0.6, 0.9]])
        >>> drawn, every = mismatched_layers(phi, torch.tensor([[1, 2, 0]]))
        >>> drawn, every
        (tensor([[0.1000, 0.4000, 0.5000]]), tensor([[0.1000, 0.3000, 0.5000],
                [0.2000, 0.4000, 0.6000]]))
    """
    layers = len(phi)
    place = torch.arange(layers)
    off = ~torch.eye(layers, dtype=torch.bool)
    return phi[place, orders], phi[off].reshape(layers, layers - 1).mT
