"""What does ΔW's spectrum look like, and what does it do to W0's?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ...adapter import Adapter, LayerFactors
from ...bases.along import along_said
from ...bases.of_adapter import open_if_here
from ...bases.weights import BaseWeights
from ...chance.p_values import check_seed
from ...core.computing.progress import Progress
from ...core.numbers.limits import squares_fit
from ...core.numbers.scaled import exponents, norm_of_values, values_of_order_one
from ...core.numbers.whole import whole, whole_numbers
from ...core.spectra.energy import check_share, rank_for_energy
from ...core.spectra.random_matrix import gaussian_product_edge, marchenko_pastur_edge
from ...core.spectra.spectrum import effective_rank, stable_rank
from ...errors import BaseModelError, LensError, RankError
from ...formats.base_in_use import check_base_used
from ...formats.loading import Model, adapter_of
from ...labelled import Array
from ...plain_torch import in_plain_torch
from ...several import several
from ...show.delta_named import Matrix, product_of
from ...show.wording import listed
from ...subspaces.device import asked_device, select_device
from ...subspaces.dimensions import zero_said
from ...subspaces.selection import select_dense, select_name
from ...subspaces.spectra import layer_values
from .result import LayerSpectrum, Spectrum, W0Comparison
from .suggestion import paths, suggested
from .suggestion_result import NO_RANK, RankSuggestion

KS = (1, 5, 10, 20)
EPSILONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
DRAWS = 1


@in_plain_torch
def spectrum(
    adapter: Adapter | str | Path | Model,
    module: str | None = None,
    *,
    beside_w0: bool | None = None,
    energy: float = 0.95,
    ks: Sequence[int] | None = None,
    epsilons: Sequence[float] | None = None,
    draws: int | None = None,
    seed: int = 0,
    base: BaseWeights | str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
    progress: Progress | None = None,
) -> Spectrum:
    """Singular values, norms and ranks of every layer's ΔW, W0's beside them, and intruder dimensions.

    Of ΔW = s·B·A, never formed, or of DoRA's, which W0 makes: ‖ΔW‖_F, ‖ΔW‖_2, stable rank, effective rank (of s and of s²), the
    ranks for 90, 95 and 99 % of the energy, and how many singular values exceed what a random
    product of the same rank, size and norm would have (`gaussian_product_edge`).

    Of W0 and W0 + ΔW, which are dense: relative norms, the Marchenko-Pastur edge and what exceeds it,
    and **intruder dimensions** (Shuttleworth et al. 2024): the top k left singular vectors of W0 + ΔW
    whose largest absolute cosine with any left singular vector of W0 is below ε. All cosines are
    computed. Singular vectors are only as well defined as their singular values are apart, so close
    pairs in W0 can turn into each other under a small ΔW and look like intruders at large ε. Any ΔW
    that is large beside W0 makes intruders, whatever it was trained on: beside the counts stand those
    of random ΔW with the same singular values in uniform directions. One SVD of W0's size a
    layer, one layer at a time: O(d³) time (a third of a second at d = 768 on one core in float64)
    and memory for a few matrices of W0's size. The sums with a ΔW of low rank follow from it in O(d²·r);
    those of a ΔW that has no low rank, or in float32, have SVDs of their own, 1 + draws more.

    Everything is free of the gauge. Without W0 the numbers of DoRA are those of s·B·A, before it is rescaled, and each
    layer's ``matrix`` says which; no rank is suggested of it.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.
        module: Only this one; by default all that have low-rank factors. One that was trained in full
            (``modules_to_save``) is asked about by its name: ΔW is what was saved less W0. Of a model that was tuned in
            full, by default all in numbered layers.
        beside_w0: Whether to open the base model; by default if it is on this machine.
        energy: Share that the suggested ranks keep.
        ks: How many leading vectors of W0 + ΔW to look at; by default 1, 5, 10 and 20 as far as
            there are so many.
        epsilons: Thresholds, above 0 and at most 1; by default 0.3 to 0.9.
        draws: Random ΔW a layer, by default 1; 0 leaves them out.
        seed: Of those draws; each layer has its own.
        base: An open base, or a folder or hub id; by default the adapter's.
        device, dtype: As in `conversion_similarity`. Without W0 the spectra are NumPy's, unless a
            device is named; those of s·B·A are computed in float64 whatever the dtype.
        progress: Called with (layers done, layers).

    Raises:
        ModuleLookupError: No such module.
        BaseModelError: The base was asked for and is not found, or does not fit.
        RankError: A k above W0's width, or W0 or W0 + ΔW is all zero.
        LensError: ε, `energy`, `draws` or `seed` out of range; or what does nothing where W0 is not read.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> layer = ll.spectrum(adapter, "value", beside_w0=False).layers[0]
        >>> layer.rank, round(layer.stable_rank, 2), layer.rank_95
        (8, 1.05, 1)
    """
    check_base_used((adapter,), base, beside_w0)
    check_share(energy)
    adapter = adapter_of(adapter, base)
    if beside_w0 is False:
        _check_idle(ks=ks, epsilons=epsilons, draws=draws)
    adapter, dense = _asked(adapter, module)
    epsilons = EPSILONS if epsilons is None else _thresholds(epsilons)
    ks = None if ks is None else whole_numbers(ks, "ks")
    draws = DRAWS if draws is None else whole(draws, "draws")
    every = adapter.in_layers if dense and adapter.in_layers else adapter.modules
    names = [select_name(adapter, module, in_layers=False)] if module else list(every)
    if draws < 0:
        raise LensError(f"draws is {draws}; expected 0 for no random ΔW, or more")
    seed = check_seed(seed)
    where = asked_device(device, dtype)
    weights, notes = open_if_here(
        adapter, beside_w0, base, without="W0 is left out, and with it intruder dimensions"
    )
    notes = [*adapter.caveats, *notes, *(along_said(adapter, weights) if weights else ())]
    if dense:
        notes.append(_dense_said(adapter))
    asked = list(adapter.each_layer(names))
    width = min(min(one.in_features, one.out_features) for one in asked)
    chosen = _ks(ks, width) if weights else ()
    sweep = (max(chosen, default=0), epsilons, draws, seed)
    look = _look(adapter, weights, sweep, device, dtype) if weights else None
    layers: list[LayerSpectrum] = []
    spectra: dict[str, Array] = {}
    for one in asked:
        own = None if look and one.rescaled else layer_values([one], where)
        beside, true, why = look(one, own) if look else (None, None, [])
        s = true if true is not None else layer_values([one], where) if own is None else own
        matrix = product_of(rescaled=one.rescaled) if true is None and not dense else "ΔW"
        layers.append(_layer(one, s, beside, matrix))
        notes += why
        if one.part is None:
            spectra[one.name] = s
        if progress:
            progress(len(layers), len(asked))
    here = {one.name for one in asked}
    suggestion = suggested(
        {} if dense else {name: parts for name, parts in paths(adapter).items() if name in here},
        energy,
        spectra,
        where,
    )
    notes += [*_of_ranks(suggestion), *_short(layers, chosen)]
    if adapter.from_w0:
        notes.append("CondLoRA has one rank for all layers; the rank pattern is for plain LoRA")
    return Spectrum(
        adapter=adapter.source,
        base=weights.source if weights else None,
        base_commit=weights.commit if weights else adapter.base_commit,
        layers=tuple(layers),
        ks=chosen,
        epsilons=epsilons if weights else (),
        suggestion=suggestion,
        notes=tuple(dict.fromkeys(notes)),
        seed=seed,
        draws=draws if weights else None,
        module=names[0] if module else None,
    )


def _asked(adapter: Adapter, module: str | None) -> tuple[Adapter, bool]:
    """The adapter, with what of it was trained in full as its modules where that is asked about, and whether it is."""
    dense = not adapter.modules if module is None else select_dense(adapter, module) is not None
    return (replace(adapter, modules=adapter.dense) if dense else adapter), dense


def _dense_said(adapter: Adapter) -> str:
    of = f" of {adapter.base_model}" if adapter.base_model else ""
    return (
        f"ΔW is what was saved less W0{of}, which is dense: its singular values are beside the Marchenko-Pastur edge, "
        f"and no rank is suggested"
    )


def _check_idle(
    *,
    ks: Sequence[int] | None,
    epsilons: Sequence[float] | None,
    draws: int | None,
) -> None:
    """Raise LensError where something is given for intruder dimensions, of which there are none; 0 draws are none."""
    given = {"--k (ks)": ks, "--epsilon (epsilons)": epsilons, "--draws (draws)": draws or None}
    idle = [option for option, value in given.items() if value is not None]
    if not idle:
        return
    are, them = ("is", "it") if len(idle) == 1 else ("are", "them")
    raise LensError(
        f"{listed(idle)} {are} for intruder dimensions of W0 + ΔW, and W0 is not to be read (--no-w0, beside_w0=False): "
        f"leave {them} out, or that"
    )


def _ks(ks: Sequence[int] | None, width: int) -> tuple[int, ...]:
    if ks is None:
        return tuple(k for k in KS if k <= width)
    if not ks or min(ks) < 1 or max(ks) > width:
        raise RankError(f"k is {list(ks)}; expected numbers from 1 to {width}, the width of W0")
    return tuple(ks)


def _thresholds(epsilons: Any) -> tuple[float, ...]:
    """One by itself is a list of one."""
    found = several(epsilons)
    if not found or not all(isinstance(one, Real) and 0 < float(one) <= 1 for one in found):
        raise LensError(f"ε is {epsilons!r:.60}; expected thresholds above 0 and at most 1")
    return tuple(map(float, found))


def _of_ranks(suggestion: RankSuggestion) -> Iterator[str]:
    """Where no rank is suggested."""
    if suggestion.zero:
        yield zero_said(suggestion.zero)
    if suggestion.full_rank:
        yield NO_RANK


def _short(layers: Sequence[LayerSpectrum], ks: Sequence[int]) -> Iterator[str]:
    """Where W0 + ΔW has fewer singular vectors than the largest k: those above its rank are arbitrary."""
    for one in layers:
        if one.beside_w0 and len(one.beside_w0.cosines) < max(ks):
            rank = len(one.beside_w0.cosines)
            yield f"W0+ΔW of {one.module} has rank {rank} in layer {one.layer}: no larger k counts more"


def _look(
    adapter: Adapter,
    weights: BaseWeights,
    asked: tuple[int, Sequence[float], int, int],
    device: str,
    dtype: str,
) -> Callable[[LayerFactors, Array | None], tuple[W0Comparison | None, Array | None, list[str]]]:
    """What finds W0's side of a layer, or why it is left out: weights may be tied, a name not be found, or ΔW out of all proportion.

    It is given ΔW's singular values, but of a ΔW that W0 is needed for, DoRA's, of which it gives them.
    """
    from .w0 import Sweep, compared_with_w0  # loads torch

    where, sweep = select_device(device, dtype), Sweep(*asked)

    def look(
        one: LayerFactors, s: Array | None
    ) -> tuple[W0Comparison | None, Array | None, list[str]]:
        factors = adapter.modules[one.module]
        if s is not None and not squares_fit(s, np.dtype(dtype)):
            return None, None, [_beyond(factors.module, dtype)]
        try:
            found, s, notes = compared_with_w0(
                factors, factors.names.index(one.name), weights, sweep, where
            )
        except BaseModelError as error:
            if factors.numbered:
                raise
            return None, None, [f"W0 of {factors.module} is left out: {error}"]
        return found, s if one.rescaled else None, notes

    return look


def _beyond(module: str, dtype: str) -> str:
    return f"W0 + ΔW of {module} is left out where squares of ΔW leave the range of {dtype}: expected the α that it was trained with"


def _layer(
    one: LayerFactors, s: Array, beside: W0Comparison | None, matrix: Matrix
) -> LayerSpectrum:
    zero, dense = len(s) == 0, matrix == "ΔW"
    width = min(one.out_features, one.in_features) if dense else one.rank
    unit = values_of_order_one(s)  # whose squares and products are within range
    size = one.out_features, one.in_features
    norm: Any = norm_of_values(unit)
    edge = (
        marchenko_pastur_edge(norm, *size)
        if dense
        else gaussian_product_edge(norm, *size, one.rank)
    )
    with np.errstate(over="ignore"):  # of a random product as large as float64 has room for
        sized = edge if zero else np.ldexp(edge, exponents(s[:, None]))
    return LayerSpectrum(
        name=one.name,
        layer=one.layer,
        module=one.module,
        rank=one.rank,
        in_features=one.in_features,
        out_features=one.out_features,
        singular_values=tuple(np.pad(s, (0, width - len(s))).tolist()),
        frobenius_norm=float(norm_of_values(s)),
        spectral_norm=0.0 if zero else float(s[0]),
        stable_rank=None if zero else float(stable_rank(s)),
        effective_rank_s=None if zero else float(effective_rank(s)),
        effective_rank_s2=None if zero else float(effective_rank(unit * unit)),
        rank_90=None if zero else int(rank_for_energy(s, 0.90)),
        rank_95=None if zero else int(rank_for_energy(s, 0.95)),
        rank_99=None if zero else int(rank_for_energy(s, 0.99)),
        product_edge=float(sized),
        above_product_edge=int((unit > edge).sum()),
        beside_w0=beside,
        matrix=matrix,
    )
