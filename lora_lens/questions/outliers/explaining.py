"""How much of φ hangs on some columns of W0: it is measured with them at the median norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...chance.against_null import null_test
from ...chance.p_values import max_statistic_p, monte_carlo_p, standardised
from ...core.conversions.outliers import every_column_rescaled, rescaled_bases, unit_shares
from ...core.similarity.phi_of_bases import mean_of_other_layers, phi_of_all_pairs
from ...core.solving.factoring import Factored
from ...labelled import Array
from .result import Alike, Beyond

Change = Callable[[Tensor], Tensor]
AfterEach = Callable[[], None]
ENTRIES = 1 << 23  # numbers of bases at once
_BEYOND = 0.05  # level of the max-statistic
_SURE = (
    3.0  # standard errors of the propagated mean above the Gaussian one, for shares of the excess
)


class Reached(NamedTuple):
    """H = W0⁺W0E_S of some layers, of named coordinates S; E_S itself where W0 has full rank in this direction."""

    columns: Float[Tensor, "layer d k"]
    full: bool


@dataclass
class Rescaling:
    """Subspaces as they would be with columns of W0 at the median norm of their layer.

    Attributes:
        named: The columns that may be asked for.
        scale: (layer, d) what takes each column there.
        turned: Whether "columns" are W0's rows.
        seen: What was `reached` in all layers, in order.
    """

    named: tuple[int, ...]
    scale: Float[Tensor, "layer d"]
    turned: bool
    seen: Sequence[Reached] = ()

    @property
    def full(self) -> bool:
        """Whether W0 has full rank in this direction in every layer seen."""
        return all(some.full for some in self.seen)

    def reached(self, factored: Factored) -> Reached:
        """Of some layers, while their factorisation is at hand."""
        chosen = torch.tensor(self.named, dtype=torch.long, device=factored.w0.device)
        w = factored.w0.mT if self.turned else factored.w0
        if bool((factored.rank == w.shape[-1]).all()):
            units = factored.inverse_norm.new_zeros(w.shape[-1], len(chosen))
            units[chosen, range(len(chosen))] = 1
            return Reached(units.expand(len(w), -1, -1), full=True)
        solve = factored.solver.solve_transposed if self.turned else factored.solver.solve
        return Reached(solve(w[..., chosen].to(factored.inverse_norm)), full=False)

    def of(self, columns: Sequence[int]) -> Change:
        """With these columns rescaled."""
        index = torch.tensor(list(columns), dtype=torch.long)
        scale, reached = self.scale[:, index], None
        if not self.full:
            place = [self.named.index(column) for column in columns]
            reached = torch.cat([some.columns for some in self.seen])[..., place]
        return lambda bases: rescaled_bases(bases, index.to(bases.device), scale, reached)

    def every(self, bases: Tensor) -> Tensor:
        """With all columns rescaled, where W0 has full rank in this direction."""
        return every_column_rescaled(bases, self.scale)


def alike(
    own: Float[Tensor, "layer d r"] | None,
    drawn: Float[Tensor, "draw layer d r"],
    change: Change,
    after_each: AfterEach = lambda: None,
) -> Alike:
    """φ between the changed subspaces: of every draw, and of the adapter's own where it is trained.

    `after_each` is called after some draws, which are not needed again here.
    """
    parts = []
    for some in pieces(drawn):
        changed = change(some)
        parts.append(phi_of_all_pairs(changed, changed))
        after_each()
    grids = torch.cat(parts).double().cpu()
    layers = grids.shape[-1]
    means = mean_of_other_layers(grids)
    observed, test = float("nan"), None
    if own is not None:
        bases = change(own)
        mean = mean_of_other_layers(phi_of_all_pairs(bases, bases).cpu())
        observed, test = float(mean), null_test(mean.double().numpy(), means.numpy())
    half = layers // 2
    return Alike(
        propagated=grids.mean(0).numpy(),
        mean=float(means.mean()),
        sd=float(means.std()),
        deep=float(mean_of_other_layers(grids[:, half:, half:]).mean()),
        observed=observed,
        test=test,
    )


def shares_of(
    drawn: Float[Tensor, "draw layer d r"], after_each: AfterEach = lambda: None
) -> Float[Tensor, "draw layer d"]:
    """`unit_shares` of every draw; `after_each` as in `alike`."""
    found = drawn.new_empty(drawn.shape[:3])
    for some, into in zip(pieces(drawn), pieces(found, like=drawn), strict=True):
        into.copy_(unit_shares(some))
        after_each()
    return found


def pieces(of_draws: Tensor, like: Tensor | None = None) -> Sequence[Tensor]:
    """Some draws at a time, as many as of `like`."""
    one = (of_draws if like is None else like)[0].numel()
    return of_draws.split(max(1, ENTRIES // one))


@dataclass(frozen=True)
class Explained:
    """Shares of an excess.

    Attributes:
        order: Coordinates, those that explain most alone first.
        alone, together: By coordinate; together with all before it. Empty where there is no excess.
    """

    order: tuple[int, ...]
    alone: dict[int, float]
    together: dict[int, float]

    @property
    def total(self) -> float:
        """What all of them explain; 0 for none, NaN where there is no excess to explain."""
        if not self.order:
            return 0.0
        return self.together.get(self.order[-1], float("nan"))


def explain(
    rescaling: Rescaling,
    drawn: Float[Tensor, "draw layer d r"],
    before: Alike,
    gaussian: float,
    after_each: AfterEach,
) -> Explained:
    """What each named column explains of the propagated mean's excess over the Gaussian one."""
    named, excess = rescaling.named, before.mean - gaussian
    if not excess > _SURE * before.sd / len(drawn) ** 0.5:  # nor where there is one layer alone
        return Explained(named, {}, {})

    def left_out(columns: Sequence[int]) -> float:
        return (before.mean - alike(None, drawn, rescaling.of(columns), after_each).mean) / excess

    alone = {column: left_out([column]) for column in named}
    order = tuple(sorted(named, key=lambda column: -alone[column]))
    together = {column: left_out(order[: k + 1]) for k, column in enumerate(order)}
    return Explained(order, alone, together)


class Seen(NamedTuple):
    """φ with W0 as it is and with columns rescaled, and what of it hangs on these.

    Attributes:
        before, after: With W0 as it is, and with the named columns rescaled.
        every: With all columns rescaled; None where W0 has not full rank in this direction.
        explained: What hangs on the named columns.
        shares: `unit_shares` of every draw.
    """

    before: Alike
    after: Alike
    every: Alike | None
    explained: Explained
    shares: Float[Tensor, "draw layer d"]


def look(
    rescaling: Rescaling,
    own: Float[Tensor, "layer d r"] | None,
    drawn: Float[Tensor, "draw layer d r"],
    gaussian: float,
    after_each: AfterEach,
) -> Seen:
    """All that is asked of the draws, and of the adapter's own subspaces where it is trained; `after_each` as in `alike`."""
    before = alike(own, drawn, lambda bases: bases, after_each)
    every = alike(None, drawn, rescaling.every, after_each) if rescaling.full else None
    explained = explain(rescaling, drawn, before, gaussian, after_each)
    after = before
    if explained.order:
        after = alike(own, drawn, rescaling.of(explained.order), after_each)
    return Seen(before, after, every, explained, shares_of(drawn, after_each))


def mean_share_p(held: Array, shares: Float[Tensor, "draw layer d"]) -> Array:
    """(d,) Upper-tail Monte-Carlo p of each coordinate's mean share over the layers."""
    drawn = shares.mean(1, dtype=torch.float64).cpu().numpy()
    return monte_carlo_p(held.mean(0), drawn, sd=drawn.std(0, ddof=1))


def beyond_w0(held: Array, shares: Float[Tensor, "draw layer d"]) -> tuple[Beyond, ...]:
    """Coordinates whose mean share is above that of random factors, by the max-statistic over all."""
    own, drawn = held.mean(0), shares.mean(1, dtype=torch.float64).cpu().numpy()
    every = np.concatenate([drawn, own[None]])  # the observed one is one among its null's
    mean, sd = every.mean(0), every.std(0, ddof=1)
    p = max_statistic_p(standardised(own, mean, sd), standardised(drawn, mean, sd))
    found = [
        Beyond(int(k), float(own[k]), float(drawn[:, k].mean()), float(p[k]))
        for k in np.flatnonzero(p <= _BEYOND)
    ]
    return tuple(sorted(found, key=lambda one: one.propagated - one.share))
