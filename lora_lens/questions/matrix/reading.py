"""Which adapters are meant, and each of them read once: what is kept is one orthonormal basis a layer, in a spool a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...adapter import Adapter
from ...arrays import Either
from ...core.numbers.sides import Side
from ...errors import (
    AdapterError,
    LensError,
    ModuleLookupError,
    RankError,
)
from ...files.adapter_folders import distinguishing_names, find_adapters
from ...files.locate import user_path
from ...files.whole_models import find_model
from ...formats.live.layers import is_live
from ...formats.loading import Model, adapter_of
from ...formats.opening import all_stems, stands_alone
from ...several import several
from ...show.wording import few
from ...subspaces.factors import SPACES, SpaceName
from ...subspaces.selection import deltas_of, select_name
from .adapter_bases import AdapterBases, bases_of

MOST_NAMED = 4


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
        here = _tuned_model(one) or find_adapters([one], all_stems(), stands_alone)
        new = [folder for folder in here if folder.resolve() not in folders]
        folders |= {folder.resolve() for folder in new}
        sources += new
    if len(sources) < 2:
        raise AdapterError(
            f"{len(sources)} adapter{'' if len(sources) == 1 else 's'} given; expected at least two "
            f"different ones, or a folder of them"
        )
    return sources


def _tuned_model(path: str | Path) -> list[Path]:
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
            read.append(bases_of(name, adapter, found, rank, space, put, base, in_full=in_full))
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
