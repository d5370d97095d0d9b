"""What does ΔW's spectrum look like, and what does it do to W0's?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ...adapter import Adapter, ModuleFactors
from ...bases.weights import BaseWeights, open_base_of
from ...core.energy import rank_for_energy
from ...core.intruders import largest_cosines, random_directions
from ...core.random_matrix import gaussian_product_edge, marchenko_pastur_edge
from ...core.spectrum import effective_rank, stable_rank
from ...errors import BaseModelError, LensError, RankError
from ...subspaces.delta import Singular, delta_singular, weight_singular
from ...subspaces.selection import Where, select_device, select_module
from .result import LayerSpectrum, Spectrum, W0Comparison
from .suggestion import suggest_ranks

Progress = Callable[[int, int], None]
KS = (1, 5, 10, 20)
EPSILONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class _Sweep(NamedTuple):
    """How many leading vectors to look at, and how many random ΔW to make for comparison."""

    k: int
    draws: int
    generator: torch.Generator


def spectrum(
    adapter: Adapter,
    module: str | None = None,
    *,
    beside_w0: bool | None = None,
    energy: float = 0.95,
    ks: Sequence[int] | None = None,
    epsilons: Sequence[float] = EPSILONS,
    draws: int = 1,
    seed: int = 0,
    base: BaseWeights | str | None = None,
    device: str = "auto",
    dtype: str = "float64",
    progress: Progress | None = None,
) -> Spectrum:
    """Singular values, norms and ranks of every layer's ΔW, W0's beside them, and intruder dimensions.

    Of ΔW = s·B·A, never formed: ‖ΔW‖_F, ‖ΔW‖_2, stable rank, effective rank (of s and of s²), the
    ranks for 90, 95 and 99 % of the energy, and how many singular values exceed what a random
    product of the same rank, size and norm would have (`gaussian_product_edge`).

    Of W0 and W0 + ΔW, which are dense: relative norms, the Marchenko-Pastur edge and what exceeds it,
    and **intruder dimensions** (Shuttleworth et al. 2024): the top k left singular vectors of W0 + ΔW
    whose largest absolute cosine with any left singular vector of W0 is below ε. All cosines are
    computed. Singular vectors are only as well defined as their singular values are apart, so close
    pairs in W0 can turn into each other under a small ΔW and look like intruders at large ε. Any ΔW
    that is large beside W0 makes intruders, whatever it was trained on: beside the counts stand those
    of random ΔW with the same singular values in uniform directions. 2 + draws SVDs of W0's size a
    layer, one layer at a time: O(d³) time (each about half a second at d = 768 on one core in float64)
    and memory for a few matrices of W0's size.

    Everything is free of the gauge.

    Args:
        adapter: From `load_adapter`.
        module: Only this one; by default all.
        beside_w0: Whether to open the base model; by default if it is on this machine.
        energy: Share that the suggested ranks keep.
        ks: How many leading vectors of W0 + ΔW to look at; by default 1, 5, 10 and 20 as far as
            there are so many.
        epsilons: Thresholds, above 0 and at most 1.
        draws: Random ΔW a layer; 0 leaves them out.
        seed: Of those draws.
        base: An open base, or a folder or hub id; by default the adapter's.
        device, dtype: As in `conversion_similarity`.
        progress: Called with (layers done, layers).

    Raises:
        ModuleLookupError: No such module.
        BaseModelError: The base was asked for and is not found, or does not fit.
        RankError: A k above W0's width, or W0 or W0 + ΔW is all zero.
        LensError: ε, `energy` or `draws` out of range.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> layer = ll.spectrum(adapter, "value", beside_w0=False).layers[0]
        >>> layer.rank, round(layer.stable_rank, 2), layer.rank_95
        (8, 1.05, 1)
    """
    modules = (
        [select_module(adapter, module, in_layers=False)]
        if module
        else list(adapter.modules.values())
    )
    if not epsilons or not all(0 < epsilon <= 1 for epsilon in epsilons):
        raise LensError(f"ε is {list(epsilons)}; expected thresholds above 0 and at most 1")
    if draws < 0:
        raise LensError(f"draws is {draws}; expected 0 for no random ΔW, or more")
    where = select_device(device, dtype)
    suggestion = suggest_ranks(
        adapter if module is None else _only(adapter, modules[0]),
        energy,
        device=device,
        dtype=dtype,
    )
    weights, notes = _open(adapter, beside_w0, base)
    width = min(min(f.in_features, f.out_features) for f in modules)
    chosen = _ks(ks, width) if weights else ()
    sweep = _Sweep(max(chosen, default=0), draws, torch.Generator().manual_seed(seed))
    layers: list[LayerSpectrum] = []
    total = sum(len(factors.layers) for factors in modules)
    for factors in modules:
        for position in range(len(factors.layers)):
            layer, why = _layer(factors, position, weights, sweep, where)
            layers.append(layer)
            notes += why
            if progress:
                progress(len(layers), total)
    if suggestion.zero:
        notes.append(f"ΔW is zero in {', '.join(suggestion.zero)}: untrained there")
    notes += _short(layers, chosen)
    if adapter.from_w0:
        notes.append("CondLoRA has one rank for all layers; the rank pattern is for plain LoRA")
    return Spectrum(
        adapter=adapter.source,
        base=weights.source if weights else None,
        layers=tuple(layers),
        ks=chosen,
        epsilons=tuple(epsilons) if weights else (),
        suggestion=suggestion,
        notes=tuple(notes),
    )


def _only(adapter: Adapter, factors: ModuleFactors) -> Adapter:
    # Blocks of a fused projection share its paths; PEFT gives all of them one rank.
    kept = {name: other for name, other in adapter.modules.items() if other.names == factors.names}
    return replace(adapter, modules=kept)


def _open(
    adapter: Adapter, wanted: bool | None, base: BaseWeights | str | None
) -> tuple[BaseWeights | None, list[str]]:
    if wanted is False:
        return None, []
    if isinstance(base, BaseWeights):
        return base, []
    try:
        return open_base_of(adapter, base), []
    except BaseModelError as error:
        if wanted or base or adapter.base_given:
            raise
        return None, [f"W0 is left out, and with it intruder dimensions: {error}"]


def _ks(ks: Sequence[int] | None, width: int) -> tuple[int, ...]:
    if ks is None:
        return tuple(k for k in KS if k <= width)
    if not ks or min(ks) < 1 or max(ks) > width:
        raise RankError(f"k is {list(ks)}; expected numbers from 1 to {width}, the width of W0")
    return tuple(ks)


def _short(layers: Sequence[LayerSpectrum], ks: Sequence[int]) -> Iterator[str]:
    """Where W0 + ΔW has fewer singular vectors than the largest k: those above its rank are arbitrary."""
    for one in layers:
        if one.beside_w0 and len(one.beside_w0.cosines) < max(ks):
            rank = len(one.beside_w0.cosines)
            yield f"W0+ΔW of {one.module} has rank {rank} in layer {one.layer}: no larger k counts more"


def _layer(
    factors: ModuleFactors, position: int, weights: BaseWeights | None, sweep: _Sweep, where: Where
) -> tuple[LayerSpectrum, list[str]]:
    """One layer, and why W0 is left out where it is: its weights may be tied, or its name not be found."""
    delta = delta_singular(factors, position, where)
    s = delta.s.double().cpu()
    own, shape = factors.ranks[position], (factors.out_features, factors.in_features)
    frobenius = s.square().sum().sqrt()
    edge = float(gaussian_product_edge(frobenius, *shape, own))
    zero = len(s) == 0
    padded = torch.nn.functional.pad(s, (0, own - len(s)))
    beside, why = None, []
    try:
        beside = _beside(factors, position, weights, delta, sweep, where) if weights else None
    except BaseModelError as error:
        if factors.numbered:
            raise
        why = [f"W0 of {factors.module} is left out: {error}"]
    layer = LayerSpectrum(
        name=factors.names[position],
        layer=factors.layers[position] if factors.numbered else None,
        module=factors.module,
        rank=own,
        in_features=shape[1],
        out_features=shape[0],
        singular_values=tuple(padded.tolist()),
        frobenius_norm=float(frobenius),
        spectral_norm=0.0 if zero else float(s[0]),
        stable_rank=None if zero else float(stable_rank(s)),
        effective_rank_s=None if zero else float(effective_rank(s)),
        effective_rank_s2=None if zero else float(effective_rank(s.square())),
        rank_90=None if zero else int(rank_for_energy(s, 0.90)),
        rank_95=None if zero else int(rank_for_energy(s, 0.95)),
        rank_99=None if zero else int(rank_for_energy(s, 0.99)),
        product_edge=edge,
        above_product_edge=int((s > edge).sum()),
        beside_w0=beside,
    )
    return layer, why


def _beside(
    factors: ModuleFactors,
    position: int,
    weights: BaseWeights,
    delta: Singular,
    sweep: _Sweep,
    where: Where,
) -> W0Comparison:
    w0 = weights.w0(factors, position)
    layer = f" in layer {factors.layers[position]}" if factors.numbered else ""
    here = f"of {factors.module}{layer}"
    base = weight_singular(w0, where, name=f"W0 {here}")
    s0, s = base.s.double().cpu(), delta.s.double().cpu()
    tuned = where.take(w0) + (delta.u * delta.s) @ delta.vh
    changed = weight_singular(tuned, where, name=f"W0 + ΔW {here}", stored=w0.dtype)
    after = changed.s.double().cpu()
    rows, columns = w0.shape
    edge, tuned_edge = (
        float(marchenko_pastur_edge(values.square().sum().sqrt(), rows, columns))
        for values in (s0, after)
    )
    return W0Comparison(
        w0_frobenius_norm=float(s0.norm()),
        w0_spectral_norm=float(s0[0]),
        relative_frobenius_norm=float(s.norm() / s0.norm()),
        relative_spectral_norm=float(s[0] / s0[0]) if len(s) else 0.0,
        w0_stable_rank=float(stable_rank(s0)),
        w0_effective_rank_s=float(effective_rank(s0)),
        w0_effective_rank_s2=float(effective_rank(s0.square())),
        w0_edge=edge,
        w0_above_edge=int((s0 > edge).sum()),
        delta_above_w0_edge=int((s > edge).sum()),
        tuned_edge=tuned_edge,
        tuned_above_edge=int((after > tuned_edge).sum()),
        cosines=_cosines(base, changed, sweep),
        random_cosines=tuple(_random_cosines(w0, base, delta.s, sweep, where)),
    )


def _cosines(base: Singular, changed: Singular, sweep: _Sweep) -> tuple[float, ...]:
    return tuple(largest_cosines(base.u, changed.u[:, : sweep.k]).double().cpu().tolist())


def _random_cosines(
    w0: Tensor, base: Singular, s: Tensor, sweep: _Sweep, where: Where
) -> Iterator[tuple[float, ...]]:
    """`_cosines` of W0 plus a random ΔW with the singular values `s`, draw by draw."""
    for _ in range(sweep.draws):
        x, y = (where.take(random_directions(d, len(s), 1, sweep.generator)[0]) for d in w0.shape)
        tuned = where.take(w0) + (x * s) @ y.mT
        changed = weight_singular(tuned, where, name="W0 + a random ΔW", stored=w0.dtype)
        yield _cosines(base, changed, sweep)
