"""Every layer's factor predicted by the others, with all draws of the nulls: one pass over the layers.

A layer's S₋ₗ is factored once, for the factor itself and for every draw, and then let go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..computing.progress import Progress, passes, untold
from ..computing.spill import Spill
from .fitting import fitting_space
from .leave_one_out_sums import left_out_sums, summed
from .refits import refits
from .shared_layer import (
    SharedLayer,
    fitted,
    predicted_basis,
    predicted_share,
    pulled_back,
    unit_norm,
)
from .variants import Variants
from .whitening import whitening

_NONE: Mapping[str, Variants] = MappingProxyType({})


class LeftOut(NamedTuple):
    """What the layers but one predict of each.

    Attributes:
        share: The predicted share, from 0 to 1.
        theta: θ₋ₗ, fitted without layer l; see `SharedLayer`.
        predicted: Orthonormal bases of W_lθ₋ₗ; columns of 0 where it has fewer dimensions.
        values: Of θ₋ₗ; see `SharedLayer`.
        sqrt_kappa: √κ(S₋ₗ), on its range.
        seen: Dimensions of S₋ₗ's range: how much of θ the other layers can see at all. Below `in`, S₋ₗ is
            singular, and θ₋ₗ lies in that range: what W_l does outside it counts as not predicted.
        seen_alone: Dimensions of θ that layer l sees and no other.
        together: θ fitted to all layers.
        drawn: By null, the shares of its draws, θ fitted anew in each.
    """

    share: Float[Tensor, " layer"]
    theta: Float[Tensor, "layer in k"]
    predicted: Float[Tensor, "layer out k"]
    values: Float[Tensor, "layer n"]
    sqrt_kappa: Float[Tensor, " layer"]
    seen: Int[Tensor, " layer"]
    seen_alone: Int[Tensor, " layer"]
    together: SharedLayer
    drawn: Mapping[str, Float[Tensor, "draw layer"]]


def left_out(
    w: Float[Tensor, "layer out in"],
    q: Float[Tensor, "layer out r"],
    k: int,
    nulls: Mapping[str, Variants] = _NONE,
    progress: Progress = untold,
    spill: Spill | None = None,
    *,
    ridge: float = 0.0,
) -> LeftOut:
    """What the shared layer θ of all layers but l predicts of layer l's factor; see `lora_lens.core.shared.shared_layer`.

    For the factors of a CondLoRA adapter, ``B_l = W_lθ``, the share is 1 in every layer wherever the other
    layers see all of θ (S₋ₗ is not singular), whatever W's shape. If `in` is at least (layer−1)·out the others see
    no more than they have rows, any factors can be fitted, and there is nothing to predict from: `values` are
    then all 1.

    With a `ridge`, S₋ₗ + λ²I is in the place of S₋ₗ everywhere, in `sqrt_kappa` and `seen` too, which are then of a matrix of full rank: θ keeps away from what the
    other layers hardly see of it, which their noise decides. A share need not be 1 then, whatever made the factors.

    Errors go as κ(S₋ₗ)·eps.

    Args:
        w: Of any scale; at least two layers. For A: W_lᵀ.
        q: Orthonormal bases of the factors, columns of 0 where a layer's rank is smaller. For A: of A_lᵀ.
        k: Columns of θ: 1 to in, out and the ranks of all layers but any one.
        nulls: Factors to fit anew, pulled back by W at unit norm.
        progress: Called with how much of the layers, and of draws that wait for all of these, is done, of how much.
        spill: Where what is needed of all layers waits; by default in memory. No number depends on it.
        ridge: ρ, of λ² = ρ²·(layer−1)/in: ρ² times the mean eigenvalue of S₋ₗ, unless a W is 0. The same for `together`.

    Example:
        >>> w = torch.tensor([[[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [2.0, 1.0]], [[2.0, 1.0], [1.0, 1.0]]])
        >>> q = torch.linalg.qr(w @ torch.ones(2, 1)).Q  # one θ made them all
        >>> left_out(w, q, 1).share.round(decimals=4)
        tensor([1., 1., 1.], dtype=torch.float64)
        >>> left_out(w, q, 1, ridge=1.0).share.round(decimals=2)
        tensor([0.9800, 1.0000, 1.0000], dtype=torch.float64)
        >>> q[2] = q[2].flip(0) * torch.tensor([[1.0], [-1.0]])  # the last one, a quarter turn apart
        >>> round(left_out(w, q, 1).share[2].item(), 4)
        0.0
    """
    spill = spill or Spill()
    w, q = _each(spill, unit_norm, w), q.double()
    grams = _each(spill, lambda one: one.mT @ one, w)
    rows = _each(spill, pulled_back, w, q, small=True)
    start = _ridge(grams, ridge)
    whole = whitening(summed(grams, start, spill.release))
    together = fitted(whole, rows.flatten(0, 1), k)
    prepared = refits(w, fitting_space(whole), nulls, k) if nulls else {}
    layers, *waiting = passes(progress, len(w), *(refit.waiting for refit in prepared.values()))
    fits, spaces = [], []
    for layer, s in enumerate(left_out_sums(grams, start, spill.release)):
        space = whitening(s)
        others = torch.cat([rows[:layer], rows[layer + 1 :]]).flatten(0, 1)
        fits.append(fitted(space, others, k))
        spaces.append((space.sqrt_kappa, space.rank))
        if prepared:
            in_draws = fitting_space(space)
            for refit in prepared.values():
                refit.add(layer, in_draws)
        spill.release()
        layers(layer + 1, len(w))
    kappas, ranks = zip(*spaces, strict=True)
    seen = torch.tensor(ranks, dtype=torch.int64)
    theta = torch.stack([fit.theta for fit in fits])
    predicted = _each(spill, predicted_basis, w, theta, small=True)
    return LeftOut(
        share=predicted_share(predicted, q),
        theta=theta,
        predicted=predicted,
        values=torch.stack([fit.values for fit in fits]),
        sqrt_kappa=torch.tensor(kappas, dtype=torch.float64),
        seen=seen,
        seen_alone=(whole.rank - seen).clamp(min=0),
        together=together,
        drawn={
            name: refit.shares(each)
            for (name, refit), each in zip(prepared.items(), waiting, strict=True)
        },
    )


def _ridge(grams: Float[Tensor, "layer in in"], ridge: float) -> Float[Tensor, "in in"]:
    """λ²I: a sum over the layers but one, each of trace 1, has eigenvalues of (layer−1)/in on average."""
    start = torch.zeros_like(grams[0])
    start.diagonal().fill_(ridge**2 * (len(grams) - 1) / len(start))
    return start


def carried_over(
    fit: LeftOut, w: Float[Tensor, "layer out in"], after_each: Callable[[], None] = lambda: None
) -> Float[Tensor, "layer out k"]:
    """Bases of ``W_lθ₋ₗ`` for the W of another adapter's base: what the one adapter predicts of the other.

    `predicted_share` of them and of the other's factors says how much; θ₋ₗ has not seen layer l of either.

    Args:
        fit: Of the one adapter.
        w: Of the other, layer by layer the same.
        after_each: Called after each layer, whose W is not needed any more.

    Example:
        >>> w = torch.diag_embed(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]]))
        >>> fit = left_out(w, torch.linalg.qr(w @ torch.ones(2, 1)).Q, 1)
        >>> other = torch.diag_embed(torch.tensor([[3.0, 4.0], [4.0, 3.0], [1.0, 0.0]]))
        >>> carried_over(fit, other).abs().round(decimals=4)[..., 0]
        tensor([[0.6000, 0.8000],
                [0.8000, 0.6000],
                [1.0000, 0.0000]], dtype=torch.float64)
    """
    found = []
    for one, theta in zip(w, fit.theta, strict=True):
        found.append(predicted_basis(unit_norm(one), theta))
        after_each()
    return torch.stack(found)


def _each(spill: Spill, make: Callable[..., Tensor], *layers: Any, small: bool = False) -> Tensor:
    """(layer, …) What is made of each layer, one at a time; what is small is in memory."""
    into = Spill() if small else spill
    first = make(*(of[0] for of in layers))
    found = into.empty((len(layers[0]), *first.shape), first, first.dtype)
    del first
    for place, one in zip(found, zip(*layers, strict=True), strict=True):
        place.copy_(make(*one))
        spill.release()
    return found
