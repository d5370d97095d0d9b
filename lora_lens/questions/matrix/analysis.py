"""Which adapters span alike? φ of one matrix between any number of adapters (seeds, ranks, tasks)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...adapter import Adapter
from ...arrays import Either
from ...chance.p_values import check_draws, check_seed
from ...core.computing.progress import Progress, Steps
from ...core.many_adapters.clustering import cluster
from ...core.numbers.either import swapped
from ...core.numbers.sides import Side
from ...core.numbers.whole import whole_or_none
from ...core.similarity.layers_together import AS_INDEPENDENT
from ...core.similarity.on_coordinates import scatter_on_coordinates, unevenness
from ...core.similarity.pairwise import block_pairs, phi_of_every_pair
from ...core.similarity.phi_by_chance import as_rare_where_narrower, least_of_mean
from ...errors import LensError
from ...formats.loading import Model
from ...labelled import Array
from ...plain_torch import in_plain_torch
from ...several import counted
from ...show.layout import LABELS
from ...show.wording import few
from ...subspaces.device import asked_device
from ...subspaces.pairing import SAME_A, notes_of_many
from ...subspaces.spool import Spool
from ...subspaces.ties import gauge_note, tie_note
from .adapter_bases import AdapterBases
from .chance import p_values, scatter_of_pairs, unrelated
from .common_layers import common_layers
from .reading import MOST_NAMED, read_bases, sources_of, space_named
from .result import MatrixResult

Matrix = Literal["A", "B", "delta"]
_MOST_KEPT = 2**22  # φ by layer: 32 MiB


@in_plain_torch
def adapter_matrix(
    adapters: Adapter | str | Path | Model | Sequence[Adapter | str | Path | Model],
    module: str = "value",
    rank: int | None = None,
    *,
    matrix: Matrix = "delta",
    side: Side | None = None,
    clusters: int | None = None,
    per_layer: bool | None = None,
    draws: int = 1000,
    seed: int = 0,
    base: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
    columns: int = 2048,
    progress: Progress | None = None,
) -> MatrixResult:
    """φ of A, B or ΔW between every two of any number of adapters, mean over the layers, with a tree.

    For two adapters it equals `compare` at the same `rank`, or where all layers of both have one. Adapters may differ in rank: each is then compared at its
    own, layer by layer, and φ divides by the smaller of the two. Chance differs with the ranks, max(i, j)/d,
    and stands beside each pair.

    Each adapter is read once, and of it only the orthonormal bases are kept, layers × d × rank numbers
    of `dtype`: in memory one layer of all adapters, the others in temporary files where they are many.
    Pairs are multiplied block by block.

    Args:
        adapters: At least two, or a folder of them: adapters, models in memory, folders or files of adapters, or folders of these at any depth
            (`find_adapters`).
        module: As in `conversion_similarity`.
        rank: i and j of every pair; by default each adapter's own rank.
        matrix: ``A``, ``B`` or ``delta`` (ΔW).
        side: Of ΔW: ``left`` (the default) or ``right``. A has only ``right`` and B only ``left``: their
            other singular vectors live in R^rank, which adapters do not share.
        clusters: How many clusters to cut the tree into; by default what `core.many_adapters.clustering.cluster` finds.
        per_layer: Keep φ of every layer too; by default where that takes at most 32 MiB.
        draws: Draws of unrelated subspaces, for p-values of the mean φ; 0 for none.
        seed: Of those draws.
        base: As in `load_adapter`; needed by CondLoRA, by ΔW of DoRA, and by what was tuned in full.
        device: Where torch multiplies pairs, ``cuda``; with ``auto`` and ``cpu`` NumPy does.
        dtype: Of the kept bases and the products; subspaces are found in float64.
        columns: Most singular vectors in a block; bounds the memory of a product.
        progress: Called with the number of steps done, and of all: adapters read, blocks multiplied.

    Raises:
        AdapterError: Adapters of different widths, or that share no layer; the message names them.
        ModuleLookupError: Adapters without the module, named.
        RankError: Adapters whose rank is below `rank`, or whose numerical rank is below their own, named.
        LensError: Fewer than two adapters, or settings that do not go together.

    Example:
        >>> import lora_lens as ll
        >>> result = ll.adapter_matrix([ll.demo_adapter("lora"), ll.demo_adapter("condlora")], draws=20)
        >>> result.names, result.values.shape
        (('lora', 'condlora'), (2, 2))
    """
    draws, seed = check_draws(draws), check_seed(seed)
    space = space_named(matrix, side)
    where = asked_device(device, dtype)
    sources = sources_of(adapters)
    rank, clusters = whole_or_none(rank, "rank"), whole_or_none(clusters, "clusters")
    if clusters is not None and not 1 <= clusters <= len(sources):
        raise LensError(f"{clusters} clusters of {len(sources)} adapters; expected 1 to that many")
    if columns < 1:
        raise LensError(f"columns is {columns}, expected at least 1")
    steps = Steps(progress, len(sources))
    spools: dict[int, Spool] = {}
    with ExitStack() as opened:

        def put(layer: int, basis: Either) -> None:
            if layer not in spools:
                spools[layer] = opened.enter_context(Spool(len(basis), dtype))
            spools[layer].add(swapped(basis))

        read = read_bases(
            sources, module, rank, space=space, base=base, put=put, advance=steps.advance
        )
        layers, notes = common_layers(read, module, rank)
        ranks = np.array([[r.widths[layer] for layer in layers] for r in read])
        steps.total += sum(1 for widths in ranks.T for _ in block_pairs(widths.tolist(), columns))
        keep = len(layers) * len(read) ** 2 <= _MOST_KEPT if per_layer is None else per_layer
        values = np.zeros((len(read), len(read)))
        uneven: list[Array] = []
        by_layer: list[Array] = []
        for layer in layers:
            bases = spools[layer].every()
            grid = phi_of_every_pair(
                [rows.T for rows in bases],
                columns=columns,
                device=where and where.device,
                advance=steps.advance,
            )
            values += grid / len(layers)
            uneven.append(np.array([unevenness(rows.T) for rows in bases]))
            if keep:
                by_layer.append(grid)
    d = read[0].d
    together = scatter_of_pairs([one.together_in(layers) for one in read])
    on_coordinates = scatter_on_coordinates(d, ranks, np.stack(uneven, axis=1))
    mean, sd = unrelated(d, ranks)
    sd, least = sd * together, least_of_mean(d, ranks)
    tree = cluster(values, mean, sd * on_coordinates, clusters, least)
    # As rare beside the draws, which are rotations, as it is beside permutations.
    rare = as_rare_where_narrower(values.clip(0, 1), mean, sd, on_coordinates, least)
    return MatrixResult(
        names=tuple(one.name for one in read),
        sources=tuple(one.source for one in read),
        methods=tuple(one.method for one in read),
        module=read[0].module,
        matrix=matrix,
        side=space.side,
        d=d,
        rank=rank,
        layers=layers,
        ranks=ranks,
        values=values.clip(0, 1),
        by_layer=np.stack(by_layer) if keep else None,
        gaussian_mean=mean,
        gaussian_sd=sd * on_coordinates,
        scatter=together * on_coordinates,
        draws=draws,
        p=p_values(rare, d, ranks, together, draws=draws, seed=seed),
        linkage=tree.linkage,
        order=tree.order,
        clusters=tree.clusters,
        cut=tree.cut,
        notes=(
            *notes,
            *_ties(read, matrix, rank, layers),
            *_gauge(read, matrix, rank),
            *_together(together, [one.name for one in read]),
            *_uneven(on_coordinates, matrix, [one.name for one in read]),
            *_notes(read, ranks, space.side, keep=keep, asked=per_layer),
        ),
        seed=seed,
        base=_only({one.base for one in read}),
        base_commit=_only({one.base_commit for one in read} - {None}),
    )


def _only(found: Collection[str | None]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _ties(
    read: Sequence[AdapterBases], matrix: str, rank: int | None, layers: Sequence[int]
) -> Iterator[str]:
    """Below an adapter's own rank alone."""
    names = [one.name for one in read if set(one.tied) & set(layers)]
    if rank is not None and names:
        of = "ΔW" if matrix == "delta" else matrix
        yield tie_note(rank, of, f"in some layer of {few(names, MOST_NAMED)}")


def _gauge(read: Sequence[AdapterBases], matrix: str, rank: int | None) -> Iterator[str]:
    names = [one.name for one in read if one.cut]
    if names and matrix != "delta":
        yield gauge_note(f"rank {rank} is below that of {few(names, MOST_NAMED)}", [matrix])


def _together(scatter: Array, names: Sequence[str]) -> Iterator[str]:
    """Of which adapters the layers count as fewer than they are."""
    fewer = scatter > AS_INDEPENDENT
    if fewer.any():
        which, pairs = _of_pairs(fewer, names)
        yield (
            f"layers lie alike in {which}, as where one matrix serves all: the mean φ of "
            f"{pairs} would scatter up to {scatter.max():.1f} times as far as that of independent layers if "
            f"they were unrelated, which sd, z, p and clusters allow for; where only a few of their directions are common to many layers, "
            f"the farthest pairs by chance lie farther than that"
        )


def _uneven(scatter: Array, matrix: str, names: Sequence[str]) -> Iterator[str]:
    """Of which adapters few coordinates outweigh the rest, and how much is allowed for."""
    wider = scatter > 1
    if wider.any():
        which, pairs = _of_pairs(wider, names)
        yield (
            f"{LABELS[matrix]} of {which} lie unevenly on the coordinates, some of them on few: if they were unrelated, the mean φ of {pairs} would "
            f"scatter up to {scatter.max():.1f} times as far as where all coordinates count alike, which sd, z, p and clusters allow for"
        )


def _of_pairs(found: NDArray[np.bool_], names: Sequence[str]) -> tuple[str, str]:
    """Which adapters are in them, and how many pairs there are."""
    which = [names[k] for k in np.flatnonzero(found.any(axis=0)).tolist()]
    return few(which, MOST_NAMED), counted(int(found.sum()) // 2, "pair")


def _notes(
    read: Sequence[AdapterBases],
    ranks: NDArray[np.int64],
    side: Side,
    *,
    keep: bool,
    asked: bool | None,
) -> Iterator[str]:
    yield from dict.fromkeys(caveat for one in read for caveat in one.caveats)
    yield from notes_of_many((one.base for one in read), sum(one.from_w0 for one in read))
    if ranks.min() < ranks.max():
        yield (
            f"ranks {ranks.min()} to {ranks.max()}, each adapter at its own: φ divides by the smaller of "
            f"two, chance is the larger over d, so compare z, or give one --rank"
        )
    if side == "right" and sum(not one.from_w0 for one in read) > 1:
        yield (
            f"{SAME_A}, so their A's, and early on ΔW's right subspaces, are alike "
            "whatever was learnt; the Gaussian expectation is for independent ones"
        )
    if not keep and asked is None:
        yield "φ by layer is not kept for so many adapters; ask for it with --per-layer"
