"""Many adapters, each read once: what is kept is one orthonormal basis a layer, in a spool a layer."""

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
from ...core.numbers.sides import Side
from ...core.similarity.layers_together import LayersTogether
from ...errors import (
    AdapterError,
    LensError,
    ModuleLookupError,
    RankError,
)
from ...files.adapter_folders import distinguishing_names, find_adapters
from ...files.adapter_places import find_model
from ...files.locate import user_path
from ...files.revisions import with_revision
from ...formats.live.layers import is_live
from ...formats.loading import Model, adapter_of
from ...formats.opening import all_stems, stands_alone
from ...several import several
from ...show.wording import few
from ...subspaces.factors import SPACES, SpaceName, factor_spaces
from ...subspaces.selection import deltas_of, select_name
from ...subspaces.where import Where

MOST_NAMED = 4


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


def space_named(matrix: str, side: Side | None) -> SpaceName:
    """The space of a matrix and a side.

    Raises:
        LensError: There is no such matrix, or its vectors of that side live in R^rank.
    """
    found = [name for name in SPACES.values() if name.matrix == matrix]
    if not found:
        raise LensError(f"matrix is {matrix!r}, expected 'A', 'B' or 'delta'")
    chosen = next((name for name in found if side in (None, name.side)), None)
    if chosen is None and side in ("left", "right"):
        raise LensError(
            f"the {side} singular vectors of {matrix} live in R^rank, which adapters do not share; "
            f"take the {found[0].side} side"
        )
    if chosen is None:
        raise LensError(f"side is {side!r}, expected 'left' or 'right'")
    return chosen


def sources_of(
    adapters: Adapter | str | Path | Model | Sequence[Adapter | str | Path | Model],
) -> list[Adapter | Path]:
    """Adapters as they are, folders of adapters one by one, each once; at least two.

    Raises:
        AdapterError: There are none in a folder, or fewer than two altogether.
    """
    sources: list[Adapter | Path] = []
    folders: set[Path] = set()
    objects: set[int] = set()
    for one in (adapters,) if is_live(adapters) else several(adapters):
        if isinstance(one, Adapter) or is_live(one):
            if id(one) not in objects:
                sources.append(adapter_of(one))
            objects.add(id(one))
            continue
        here = _whole_model(one) or find_adapters([one], all_stems(), stands_alone)
        new = [folder for folder in here if folder.resolve() not in folders]
        folders |= {folder.resolve() for folder in new}
        sources += new
    if len(sources) < 2:
        raise AdapterError(
            f"{len(sources)} adapter{'' if len(sources) == 1 else 's'} given; expected at least two "
            f"different ones, or a folder of them"
        )
    return sources


def _whole_model(path: str | Path) -> list[Path]:
    """The folder itself, where it is named and holds a model that was tuned in full."""
    return [user_path(path)] if find_model(path, all_stems()) else []


def read_bases(
    sources: Sequence[Adapter | Path],
    module: str,
    rank: int | None,
    *,
    space: SpaceName,
    base: str | Path | None,
    put: Callable[[int, Either], None],
    advance: Callable[[], None],
) -> list[AdapterBases]:
    """Read each adapter and put away its subspaces, by layer in the order of the sources.

    Raises:
        ModuleLookupError: Some have no such module.
        AdapterError: They differ in width.
    """
    if rank is not None and rank < 1:
        raise RankError(f"asked for {rank} singular vectors; expected at least 1")
    named = [one.source if isinstance(one, Adapter) else one for one in sources]
    read: list[AdapterBases] = []
    without: dict[str, list[str]] = {}
    for source, name in zip(sources, distinguishing_names(named), strict=True):
        adapter = adapter_of(source, base)
        try:
            adapter, in_full = _of_space(adapter, module, space)
            found = select_name(adapter, module)
        except ModuleLookupError as error:
            without.setdefault(str(error), []).append(name)
        else:
            if in_full and rank is None:
                raise RankError(
                    f"{found} of {name} was trained in full, and its ΔW has all directions: say how many of the leading ones are "
                    f"compared (--rank, rank)"
                )
            read.append(_bases(name, adapter, found, rank, space, put, base, in_full=in_full))
        advance()
    for why, names in without.items():
        raise ModuleLookupError(f"{few(names, MOST_NAMED)}: {why}")
    shapes: dict[tuple[int, int], list[str]] = {}
    for one in read:
        shapes.setdefault(one.shape, []).append(one.name)
    if len(shapes) > 1:
        widths = "; ".join(
            f"{wide} in and {out} out in {few(names, MOST_NAMED)}"
            for (wide, out), names in shapes.items()
        )
        raise AdapterError(f"{module} has different widths: {widths}; they have different bases")
    return read


def _of_space(adapter: Adapter, module: str, space: SpaceName) -> tuple[Adapter, bool]:
    """The adapter, with what of it was trained in full as its modules where ΔW of that is asked for, and whether it is."""
    of_delta = deltas_of(adapter, module) if space.matrix == "delta" else adapter
    return of_delta, of_delta is not adapter


def common_layers(
    read: Sequence[AdapterBases], module: str, rank: int | None
) -> tuple[tuple[int, ...], list[str]]:
    """The layers that all adapters have, and a note on those that only some have.

    Raises:
        AdapterError: There is none.
        RankError: In one of them an adapter has too few singular vectors.
    """
    each = [set(one.widths) | set(one.short) for one in read]
    layers = tuple(sorted(set.intersection(*each)))
    if not layers:
        spans = {
            ", ".join(map(str, sorted(own))): one.name for one, own in zip(read, each, strict=True)
        }
        shown = "; ".join(f"{span} in {name}" for span, name in list(spans.items())[:MOST_NAMED])
        raise AdapterError(f"no layer has {module} in all {len(read)} adapters: layers {shown}")
    if any(layer in layers for one in read for layer in one.short):
        raise RankError(_too_low(read, layers, rank))
    more = [one.name for one, own in zip(read, each, strict=True) if own != set(layers)]
    span = ", ".join(map(str, layers))
    have = "has" if len(more) == 1 else "have"
    said = f"only layers {span} are compared; {few(more, MOST_NAMED)} {have} more"
    return layers, [said] if more else []


def _too_low(read: Sequence[AdapterBases], layers: tuple[int, ...], rank: int | None) -> str:
    lowest: dict[str, tuple[int, int]] = {}  # rank, and a layer that has it
    for one in read:
        if found := [(found, layer) for layer, found in one.short.items() if layer in layers]:
            lowest[one.name] = min(found)
    zero = [f"{name} (layer {layer})" for name, (found, layer) in lowest.items() if found == 0]
    if zero:
        return (
            f"{few(zero, MOST_NAMED)}: a factor or its scaling is zero there, so there is no singular subspace: the "
            f"adapter is untrained there, or lora_alpha is not what it was trained with; leave it out, or put that there"
        )
    each = (f"{name} has rank {found} in layer {layer}" for name, (found, layer) in lowest.items())
    ranks = few(each, MOST_NAMED)
    wanted = "each adapter's own rank of" if rank is None else str(rank)
    return (
        f"asked for {wanted} singular vectors, but {ranks}; vectors above the rank are "
        f"arbitrary, so ask for a rank of at most {min(lowest.values())[0]}, or leave the adapter out"
    )


def _bases(
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
    layers = list(adapter.each_layer([module]))
    widths: dict[int, int] = {}
    short: dict[int, int] = {}
    tied: list[int] = []
    kept: list[Either] = []
    caveats = adapter.caveats
    if layers[0].rescaled and space.matrix == "delta":
        weights = open_base_of(adapter, None if base is None else str(base))
        found = _of_dense(adapter.modules[module], layers, space, weights)
        caveats = (*caveats, *weights.notes)
    elif in_full:
        found = _of_dense(adapter.modules[module], layers, space, None)
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
    space: SpaceName,
    weights: BaseWeights | None,
) -> _Found:
    """Of a dense ΔW, a layer at a time; DoRA's is made with W0."""
    import torch

    from ...subspaces.delta import delta_singular

    here = Where(torch.device("cpu"), torch.float64)
    for position, one in enumerate(layers):
        w0 = weights.w0(factors, position) if weights else None
        delta = delta_singular(factors, position, here, w0)
        basis = delta.u if space.side == "left" else delta.vh.mT
        yield one, basis, basis.shape[1], False
