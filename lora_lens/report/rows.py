"""Which modules a report is of, and what each adapter calls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..adapter import Adapter
from ..errors import ModuleLookupError
from ..subspaces.selection import select_name, with_dense

Row = tuple[str | None, ...]


class NotThere(NamedTuple):
    """A module that one adapter lacks: its place in the report, the module, and what it says."""

    adapter: int
    module: str
    why: str


def rows_of(
    adapters: Sequence[Adapter], asked: Sequence[str] | None
) -> tuple[list[Row], tuple[NotThere, ...]]:
    """One row a module, with each adapter's name of it, or None; and which are not there.

    Modules that do the same job under different names (``value``, ``v_proj``) are one row.

    Raises:
        ModuleLookupError: No adapter has what was asked for, or one of several has nothing to compare.
    """
    rows: dict[Row, None] = {}
    lacking: dict[NotThere, None] = {}
    for name in asked or _all(adapters):
        errors: list[ModuleLookupError | None] = []
        row: list[str | None] = []
        for adapter in adapters:
            found, error = _named(adapter, name)
            row.append(found)
            errors.append(error)
        if None not in errors:
            raise errors[0] or ModuleLookupError(name)
        if any(set(zip(row, known, strict=True)) & _same(row) for known in rows):
            continue
        rows[tuple(row)] = None
        for k, error in enumerate(errors):
            if error is not None:
                lacking[NotThere(k, name, str(error))] = None
    _check_common(adapters, list(rows))
    return list(rows), tuple(lacking)


def _all(adapters: Sequence[Adapter]) -> list[str]:
    """Every module in layers that has factors; where an adapter has none, those it has, which say why they are none.

    Of models that were tuned in full alone, every one of theirs.
    """
    names = [name for one in adapters for name in one.in_layers or tuple(one.modules)]
    return names or [name for one in adapters for name in dense_in_layers(one)]


def dense_in_layers(adapter: Adapter) -> tuple[str, ...]:
    """The same of what was trained in full."""
    return replace(adapter, modules=adapter.dense, dense={}).in_layers


def _same(row: Sequence[str | None]) -> set[tuple[str | None, str | None]]:
    return {(name, name) for name in row if name is not None}


def _named(adapter: Adapter, name: str) -> tuple[str | None, ModuleLookupError | None]:
    try:
        return select_name(with_dense(adapter, name), name), None
    except ModuleLookupError as error:
        return None, error


def _check_common(adapters: Sequence[Adapter], rows: Sequence[Row]) -> None:
    """Of several each has a module in common with another: found out before the long work."""
    if len(adapters) < 2:
        return
    common = [row for row in rows if sum(map(bool, row)) > 1]
    alone = [k for k in range(len(adapters)) if not any(row[k] for row in common)]
    if not alone:
        return
    # Of two without one in common, the one that lacks what is asked for.
    lacks = max(alone, key=lambda k: (sum(not row[k] for row in rows), k))
    adapter = adapters[lacks]
    names = ", ".join(str(next(filter(None, row))) for row in rows if not row[lacks])
    raise ModuleLookupError(
        f"{adapter.source} has none of the modules to compare ({names}); it has: "
        f"{', '.join(adapter.in_layers or dense_in_layers(adapter))}"
    )
