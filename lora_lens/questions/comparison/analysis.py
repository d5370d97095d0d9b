"""Do two adapters span alike? The paper's Table 3: φ of A, B and ΔW, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...adapter import Adapter, ModuleFactors
from ...bases.along import along_said_each
from ...bases.of_adapter import open_base_of, open_if_here
from ...bases.weights import BaseWeights
from ...chance.draws import FEWEST_LAYERS, TOO_FEW_LAYERS
from ...chance.p_values import check_draws, check_seed
from ...core.computing.progress import Progress, untold
from ...core.numbers.sides import Side
from ...core.similarity.layers_together import AS_INDEPENDENT, LayersTogether, scatter_of_mean
from ...core.similarity.on_coordinates import scatter_on_coordinates, unevenness
from ...core.similarity.phi_of_bases import phi_of_all_pairs
from ...errors import BaseModelError, RankError
from ...formats.base_in_use import check_base_used
from ...formats.loading import Model, adapter_of
from ...labelled import Array
from ...plain_torch import in_plain_torch
from ...show.wording import listed
from ...subspaces.device import select_device
from ...subspaces.dimensions import (
    Dimensions,
    check_factor_ranks,
    select_dimensions,
)
from ...subspaces.pairing import SAME_A, base_of_both, commit_of_all, select_in_both, shared_layers
from ...subspaces.selection import deltas_of, in_layers, select_dense
from ...subspaces.ties import gauge_note, tie_notes
from . import nulls
from .compared import SIDES, compared, compared_delta
from .result import ComparisonResult, LayerSeries

_SEEDS = (
    f"{SAME_A}, so their A's are alike, layer by layer, before any training; "
    "where both train a new head, it may begin the same, too, and make B's of short runs alike; no null knows that"
)
_HEADS = "where both train a new head of one seed, it begins the same and makes ΔW's of short runs alike; no null knows that"
_NO_W0 = "W0 is left out, and with it what of φ lies in its own singular directions"


@in_plain_torch
def compare(
    one: Adapter | str | Path | Model,
    other: Adapter | str | Path | Model,
    module: str = "value",
    rank: int | None = None,
    *,
    i: int | None = None,
    j: int | None = None,
    beside_w0: bool | None = None,
    draws: int = 1000,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    base: BaseWeights | str | Path | None = None,
    progress: Progress | None = None,
) -> ComparisonResult:
    """φ between the A's (right side), the B's and the ΔW's (left side) of two adapters (Table 3).

    Of what was trained in full, which has no A and B, ΔW alone. At i = j = rank B's and ΔW's left spaces are the same whatever the gauge, so their φ agree; below it
    they need not. φ needs no base model, unless an adapter is CondLoRA; the null that the verdict comes
    from does, and one singular value decomposition of each layer's W0.

    Args:
        one, other: From `load_adapter`, or what that takes; the same module on both, over the layers both have.
        module: As in `conversion_similarity`.
        rank: i and j where they are not given; by default the smallest rank of the two, of which one has to be of low rank.
        i, j: Compared singular vectors of `one` and of `other`.
        beside_w0: Whether to open the base model for ``flipped``; by default if it is on this machine.
        draws: Draws of each null, which give p-values down to 1/(draws + 1); 0 for none.
        seed: Of those draws.
        device, dtype, base: As in `conversion_similarity`.
        progress: Called with (layers done, layers), where W0 is at hand.

    Returns:
        Series by matrix (``A``, ``B``, ``delta``) with the tests of every layer against up to three nulls:

        - ``flipped``: both as they lie on their W0's own singular directions, with random signs there.
          Factors that are drawn to the leading directions of one W0 are alike with nothing learnt in common,
          and that is in it: the verdict comes from this one. A's of runs from one seed begin alike, and
          that is not in it, nor in the others.
        - ``gaussian``: unrelated subspaces. It describes where there is ``flipped``.
        - ``mismatched``: `one`'s layers against `other`'s, shuffled: is a layer more like its own
          counterpart than like other layers? What all layers of both have in common is in it. Means,
          deviations and excess are of different layers only, exactly; p counts shuffles that leave
          some layers in place too, without which it would not hold its level. A layer
          by itself has layers − 1 null values, too few for a small p; the mean has as many as `draws`.
          Not for fewer than three layers.

    Raises:
        ModuleLookupError: One of them has no such module.
        AdapterError: They share no layer, or differ in width.
        BaseModelError: W0 was asked for and is not found, or does not fit.
        RankError: i or j above the numerical rank of a factor; or none is given of two that were trained in full.
        LensError: `draws` is 1 or negative, `seed` is negative, or a `base` is given that nothing is read of.

    Example:
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> result = ll.compare(one, other, "value", rank=8, draws=50)
        >>> result["A"].side, result["B"].side, result["B"].values.shape
        ('right', 'left', (6,))
    """
    draws, seed = check_draws(draws), check_seed(seed)
    check_base_used((one, other), base, beside_w0)
    one, other = adapter_of(one, base), adapter_of(other, base)
    in_full = [select_dense(each, module) is not None for each in (one, other)]
    one, other = deltas_of(one, module), deltas_of(other, module)
    first, second = select_in_both(one, other, module)
    layers, notes = shared_layers(one, other, first, second)
    first, second = in_layers(first, layers), in_layers(second, layers)
    i, j = _dimensions((first, second), in_full, rank, i, j)
    sides = {"delta": SIDES["delta"]} if any(in_full) else SIDES
    where = select_device(device, dtype)
    weights, unknown = _base(one, other, beside_w0, base)
    cut = [
        compared_delta(factors, k, where)
        if dense
        else compared(factors, k, where, _of_own(each, factors, weights, base))
        for each, factors, k, dense in zip(
            (one, other), (first, second), (i, j), in_full, strict=True
        )
    ]
    bases = [{matrix: each.bases[matrix] for matrix in sides} for each in cut]
    flipped = nulls.Flipped({}, (), frozenset())
    singular: Iterator[str] = iter(())
    if weights is not None and draws:
        try:
            flipped = nulls.flipped(
                first, weights, bases, where, progress or untold, draws=draws, seed=seed
            )
            singular = _singular(first, flipped.ranks)
        except BaseModelError as error:
            if beside_w0 or base or one.base_given:
                raise
            weights, unknown = None, [f"{_NO_W0}: {error}"]
    # Series that live in one dimension share their draws, so that equal φ have equal p-values.
    gaussian = {
        d: nulls.gaussian(d, i, j, len(layers), draws, seed)
        for d in {basis.shape[-2] for basis in bases[0].values()}
    }
    series: dict[str, LayerSeries] = {}
    for matrix, side in sides.items():
        u, v = (found[matrix] for found in bases)
        pairs = phi_of_all_pairs(u, v).double().cpu()
        baselines = {"gaussian": gaussian[u.shape[-2]]}
        if matrix in flipped.baselines:
            baselines["flipped"] = flipped.baselines[matrix]
        if draws and len(layers) >= FEWEST_LAYERS:
            baselines["mismatched"] = nulls.mismatched(pairs, draws, seed)
        values = pairs.diagonal().numpy()
        together = [LayersTogether.of(tuple(each)) for each in (u, v)]
        scatter = float(scatter_of_mean(together[0], together[1:])[0])
        uneven = np.stack([unevenness(each.double().cpu()) for each in (u, v)])
        widths = np.array([one.widths for one in together])
        times = float(scatter_on_coordinates(u.shape[-2], widths, uneven)[0, 1])
        series[matrix] = LayerSeries(
            matrix,
            side,
            tuple(layers),
            values,
            baselines,
            scatter * times,
            times,
            matrix in flipped.unknown,
        )
    ties = (
        note
        for of, each, k in zip((one, other), cut, (i, j), strict=True)
        for note in tie_notes(of.source, _of_sides(each.ties, sides), layers, k)
    )
    along = along_said_each((one, other), weights) if weights else ()
    notes = (*notes, *unknown, *along, *singular, *dict.fromkeys(ties), *_together(series))
    if "A" in sides and (i < max(first.ranks) or j < max(second.ranks)):
        notes = (*notes, gauge_note(f"i = {i} or j = {j} is below an adapter's rank in some layer"))
    if not (one.from_w0 or other.from_w0):
        notes = (*notes, _SEEDS if "A" in sides else _HEADS)
    if draws and len(layers) < FEWEST_LAYERS:
        notes = (*notes, f"the null mismatched is left out: {TOO_FEW_LAYERS}")
    return ComparisonResult(
        one.source, other.source, first.module, i, j, tuple(layers), series, notes, seed,
        base=weights.source if weights else base_of_both(one, other),
        base_commit=weights.commit if weights else commit_of_all((one, other)), draws=draws,
    )  # fmt: skip


def _dimensions(
    both: tuple[ModuleFactors, ModuleFactors],
    in_full: Sequence[bool],
    rank: int | None,
    i: int | None,
    j: int | None,
) -> Dimensions:
    """How many directions of each, of which there are so many."""
    if all(in_full) and rank is None and None in (i, j):
        raise RankError(
            f"{both[0].module} was trained in full in both, where ΔW has all directions: say of how many of the leading ones "
            f"(--rank, rank)"
        )
    found = select_dimensions(rank, i, j, min(*both[0].ranks, *both[1].ranks))
    for factors, k, dense in zip(both, found, in_full, strict=True):
        if not dense:
            check_factor_ranks(factors, ("A", "B"), k)
    return found


def _base(
    one: Adapter, other: Adapter, wanted: bool | None, base: BaseWeights | str | Path | None
) -> tuple[BaseWeights | None, list[str]]:
    """The one base of both, where there is one and it is at hand."""
    if base is None and base_of_both(one, other) is None:
        if wanted:
            raise BaseModelError(
                f"{one.source} and {other.source} do not name one base model; pass --base with it"
            )
        return None, []
    return open_if_here(one, wanted, base, without=_NO_W0)


def _of_own(
    adapter: Adapter,
    factors: ModuleFactors,
    weights: BaseWeights | None,
    base: BaseWeights | str | Path | None,
) -> BaseWeights | None:
    """The W0 that an adapter's ΔW is made with, where it is: that of both, or else its own."""
    if factors.magnitude is None or weights is not None:
        return weights
    try:
        return open_base_of(adapter, base)
    except BaseModelError as error:
        raise BaseModelError(
            f"ΔW of {factors.module} of {adapter.source} is DoRA's, which is made with W0: {error}"
        ) from None


def _of_sides(ties: Mapping[str, Array], sides: Mapping[str, Side]) -> Mapping[str, Array]:
    """Of the matrices that are compared."""
    return ties if "A" in sides else {name: at for name, at in ties.items() if name == "ΔW"}


def _singular(factors: ModuleFactors, ranks: Sequence[int]) -> Iterator[str]:
    """In which layers W0 is not of full rank, and what flips make of that."""
    full = min(factors.out_features, factors.in_features)
    fewer = [
        f"layer {layer} (rank {rank} of {full})"
        for layer, rank in zip(factors.layers, ranks, strict=True)
        if rank < full
    ]
    if fewer:
        yield (
            f"W0 of {factors.module} is singular in {listed(fewer)}: what lies outside its directions there, flips turn at random, for "
            f"nothing tells one from another"
        )


def _together(series: Mapping[str, LayerSeries]) -> Iterator[str]:
    """Of which matrices no claim is made, or one too many may be, for their layers go together or few coordinates outweigh the rest."""
    for matrix, one in series.items():
        name = "ΔW" if matrix == "delta" else matrix
        if one.of_one_theta:
            yield (
                f"{name} of either adapter was made by a θ of its own, in a part at least: φ of unrelated ones goes up and down in all layers at once, "
                f"and no flips are known that do, so that nothing is claimed of it"
            )
        if one.alike:
            what = (
                "nothing is claimed of it" if one.together else "a claim may be W0's, or too many"
            )
            if one.on_coordinates > 1:
                yield (
                    f"{name} of the two adapters lie unevenly on the coordinates, one or both on few of them: the mean φ of unrelated adapters would scatter "
                    f"{one.on_coordinates:.1f} times as far as where all coordinates count alike, as the nulls take them, so that nothing is claimed of it"
                )
            if one.scatter / one.on_coordinates <= AS_INDEPENDENT:
                continue
            yield (
                f"{name} of either adapter lies alike in its layers, as where one matrix serves all or W0's layers have much in common: "
                f"the mean φ of unrelated adapters would scatter {one.scatter / one.on_coordinates:.1f} times as far as that of independent layers, which the "
                f"nulls are of, so that {what}"
            )
