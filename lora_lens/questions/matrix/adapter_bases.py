"""One adapter's subspaces: an orthonormal basis a layer, which is put away, and how they lie to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...adapter import Adapter, LayerFactors, ModuleFactors
from ...arrays import Either
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...core.numbers.either import as_torch, is_torch, namespace
from ...core.similarity.layers_together import LayersTogether
from ...files.revisions import with_revision
from ...subspaces.device import Where
from ...subspaces.factors import SPACES, SpaceName, factor_spaces


@dataclass(frozen=True)
class AdapterBases:
    """One adapter's subspaces of one matrix of one module.

    Attributes:
        name, source, method, base, base_commit: Whose.
        from_w0: As `lora_lens.Adapter` says.
        caveats: As there, and of W0 where it was read.
        module: Its own name for the module.
        d: Dimension of the space that the bases live in.
        shape: Width in and out of W0.
        widths: Layer to i: its basis there, (d, i) in the order of the singular values, is in the layer's spool.
        short: Layer to the numerical rank there, where it is below what was asked for.
        tied: Layers where it is open which singular vectors those i are.
        cut: Whether it has more of them in some layer.
        together: How those of the layers in `widths` lie to each other, in that order.
    """

    name: str
    source: str
    method: str
    base: str | None
    base_commit: str | None
    from_w0: bool
    caveats: tuple[str, ...]
    module: str
    d: int
    shape: tuple[int, int]
    widths: dict[int, int]
    short: dict[int, int]
    tied: tuple[int, ...]
    cut: bool
    together: LayersTogether | None

    def together_in(self, layers: Sequence[int]) -> LayersTogether:
        """How the subspaces of some layers, all of which are in `widths`, lie to each other."""
        assert self.together is not None
        kept = list(self.widths)
        return self.together.among([kept.index(layer) for layer in layers])


def bases_of(
    name: str,
    adapter: Adapter,
    module: str,
    rank: int | None,
    space: SpaceName,
    put: Callable[[int, Either], None],
    base: str | Path | None,
    *,
    in_full: bool,
) -> AdapterBases:
    """Subspaces of one matrix of one adapter, each put away with its layer; `in_full` says that its ΔW is dense."""
    layers = list(adapter.each_layer([module]))
    widths: dict[int, int] = {}
    short: dict[int, int] = {}
    tied: list[int] = []
    kept: list[Either] = []
    caveats = adapter.caveats
    if layers[0].rescaled and space.matrix == "delta":
        weights = open_base_of(adapter, None if base is None else str(base))
        found = _of_dense(adapter.modules[module], layers, rank, space, weights)
        caveats = (*caveats, *weights.notes)
    elif in_full:
        found = _of_dense(adapter.modules[module], layers, rank, space, None)
    else:
        found = _of_factors(layers, rank, space)
    for one, basis, real, is_tied in found:
        assert one.layer is not None  # `select_name` takes numbered modules alone
        k = one.rank if rank is None else rank
        if real < k:
            short[one.layer] = real
        else:
            own = basis[:, :k]  # of all singular vectors, where ΔW is DoRA's
            kept.append(own.clone() if is_torch(own) else own.copy())
            put(one.layer, kept[-1])
            widths[one.layer] = k
            tied += [one.layer] * is_tied
    shape = layers[0].in_features, layers[0].out_features
    return AdapterBases(
        name=name,
        source=adapter.source,
        method=adapter.method,
        base=with_revision(adapter.base_model, adapter.revision),
        base_commit=adapter.base_commit,
        from_w0=adapter.from_w0,
        caveats=caveats,
        module=module,
        d=shape[0] if space.side == "right" else shape[1],
        shape=shape,
        widths=widths,
        short=short,
        tied=tuple(tied),
        cut=rank is not None and any(rank < one.rank for one in layers),
        together=LayersTogether.of(kept) if kept else None,
    )


# A layer, its singular vectors in columns, how many of them there are, and whether it is open which lead.
_Found = Iterator[tuple[LayerFactors, Either, int, bool]]


def _of_factors(layers: Sequence[LayerFactors], rank: int | None, space: SpaceName) -> _Found:
    """From A and B alone; layers of one rank at once."""
    wanted = next(key for key, named in SPACES.items() if named == space)
    for own in sorted({one.rank for one in layers}):
        some = [one for one in layers if one.rank == own]
        a, b = map(_stacked, zip(*(one.read() for one in some), strict=True))
        for one in some:
            one.release()
        scaling = np.array([one.scaling for one in some])
        found = factor_spaces(a, b, own if rank is None else rank, [wanted], scaling=scaling)
        here = (found.bases[wanted], map(int, found.ranks[wanted]), map(bool, found.tied[wanted]))
        yield from zip(some, *here, strict=True)


def _stacked(factors: Sequence[Either]) -> Either:
    """Of several layers; torch's where it has read any, as floats of eight bits in some of them."""
    if len({*map(is_torch, factors)}) > 1:
        factors = [as_torch(factor, "cpu") for factor in factors]
    return namespace(factors[0]).stack([*factors])


def _of_dense(
    factors: ModuleFactors,
    layers: Sequence[LayerFactors],
    rank: int | None,
    space: SpaceName,
    weights: BaseWeights | None,
) -> _Found:
    """Of a dense ΔW, a layer at a time; DoRA's is made with W0."""
    import torch

    from ...subspaces.delta import delta_singular
    from ...subspaces.ties import tied_delta

    here = Where(torch.device("cpu"), torch.float64)
    for position, one in enumerate(layers):
        w0 = weights.w0(factors, position) if weights else None
        delta = delta_singular(factors, position, here, w0, sized=False)
        basis = delta.u if space.side == "left" else delta.vh.mT
        k = one.rank if rank is None else rank
        yield one, basis, basis.shape[1], tied_delta(factors, position, delta.s, k)
