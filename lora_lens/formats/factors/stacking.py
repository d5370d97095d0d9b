"""Groups → `ModuleFactors`: checked at once, stacked when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

from ...adapter import FusedRows, LayerFactors, ModuleFactors, is_numbered
from ...arrays import Either, Stored, Tensor, dtype_name
from ...core.numbers.either import is_finite
from ...errors import AdapterError
from ...plain_torch import in_plain_torch
from ...updates import Factor, LowRank
from .grouping import Group, Member

_MOST_PADDED, _MOST_UNEQUAL = 1 << 28, 16


class StackedModules(Mapping[str, ModuleFactors]):
    """Modules by name, each read when it is asked for, and again after nobody holds it any more.

    So an adapter of any size takes the memory of the modules that are looked at.
    """

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._groups = groups
        self._held: WeakValueDictionary[str, ModuleFactors] = WeakValueDictionary()
        self._last: ModuleFactors | None = None

    @property
    def patterns(self) -> dict[str, str]:
        """Name to pattern, of all modules, none of which is read for it."""
        return {name: group.pattern for name, group in self._groups.items()}

    def layers_of(self, name: str) -> Iterator[LayerFactors]:
        """The layers of a module, each of which is read by itself."""
        group = self._groups[name]
        return (_layer(group, member) for member in group.members)

    @in_plain_torch
    def __getitem__(self, name: str) -> ModuleFactors:
        """The factors of a module."""
        found = self._held.get(name)
        if found is None:
            found = self._held[name] = stack(self._groups[name])
        self._last = found
        return found

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._groups)

    def __len__(self) -> int:
        """How many modules there are."""
        return len(self._groups)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._groups)})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # Another process has not the file open: it gets the numbers.
        return dict, (dict(self),)


def check(path: str, update: LowRank) -> None:
    """Whether an update is one that can be analysed; every number of it is read.

    Raises:
        AdapterError: Its factors do not fit each other, are no floats, or hold NaN or infinite values.
    """
    a, b = update.a, update.b
    if a.shape[0] != b.shape[1]:
        raise AdapterError(
            f"{path}: A is {a.shape[0]}x{a.shape[1]} and B is {b.shape[0]}x{b.shape[1]}; "
            f"expected A's rows to equal B's columns"
        )
    magnitude = update.magnitude
    if magnitude is not None and not update.by_column and magnitude.shape[0] != b.shape[0]:
        raise AdapterError(
            f"{path}: DoRA's magnitude has {magnitude.shape[0]} numbers and B {b.shape[0]} rows; expected as many"
        )
    named = [("A", a), ("B", b), *([("the magnitude", magnitude)] if magnitude else [])]
    for letter, factor in named:
        check_factor(f"{letter} of {path}", factor)


def check_factor(what: str, factor: Factor) -> None:
    """Whether a matrix can be computed with; every number of it is read.

    Raises:
        AdapterError: It is no floats, or holds NaN or infinite values.
    """
    numbers = factor.numbers()
    kind = dtype_name(numbers.dtype)
    if "float" not in kind:
        raise AdapterError(f"{what} holds {kind}, expected floats")
    if not is_finite(numbers):
        raise AdapterError(f"{what} holds NaN or infinite values")
    factor.release()


def _layer(group: Group, member: Member) -> LayerFactors:
    update, part = member.update, group.part

    def read() -> tuple[Either, Either]:
        a, b = update.a.array(), update.b.array()
        if a is None or b is None:
            a, b = update.a.read(), update.b.read()
        return a, part.take(b) if part else b

    def release() -> None:
        update.a.release()
        update.b.release()

    def stored() -> tuple[Stored, Stored] | None:
        a, b = update.a.stored(), update.b.stored()
        return None if a is None or b is None or part else (a, b)

    return LayerFactors(
        module=group.module,
        layer=member.layer if is_numbered(group.pattern) else None,
        name=member.path,
        rank=update.a.shape[0],
        out_features=part.rows if part else update.b.shape[0],
        in_features=update.a.shape[1],
        scaling=update.scaling,
        part=group.part,
        read=read,
        release=release,
        stored=stored,
        rescaled=update.magnitude is not None,
        unchanged=update.unchanged,
    )


def check_group(group: Group) -> None:
    """Whether the layers of a module can be stacked.

    Raises:
        AdapterError: DoRA rescales columns of what is one role's rows.
    """
    if group.part and group.members[0].update.by_column:
        raise AdapterError(
            f"DoRA rescales columns of the fused projection that {group.module} is in, whose roles cannot be taken "
            f"apart: pass no base whose config.json tells their layout"
        )


def stack(group: Group) -> ModuleFactors:
    """One module over its layers; mixed ranks are padded with zeros."""
    import torch

    updates = [member.update for member in group.members]
    magnitudes = [update.magnitude for update in updates if update.magnitude is not None]
    norm_scalings = [one.norm_scaling for one in updates if one.norm_scaling is not None]
    ranks = tuple(update.a.shape[0] for update in updates)
    _check_padding(group, ranks)
    return ModuleFactors(
        module=group.module,
        pattern=group.pattern,
        layers=tuple(member.layer for member in group.members),
        names=tuple(member.path for member in group.members),
        a=_stacked([update.a for update in updates], rows=max(ranks)),
        b=_stacked([update.b for update in updates], columns=max(ranks), part=group.part),
        scaling=torch.tensor([update.scaling for update in updates], dtype=torch.float64),
        ranks=ranks,
        part=group.part,
        magnitude=_stacked(magnitudes, part=group.part)[..., 0] if magnitudes else None,
        by_column=updates[0].by_column,
        norm_scaling=torch.tensor(norm_scalings, dtype=torch.float64) if norm_scalings else None,
    )


def _check_padding(group: Group, ranks: tuple[int, ...]) -> None:
    """Whether ranks are near enough to each other to be padded to the largest."""
    out, columns = group.members[0].update.b.shape[0], group.members[0].update.a.shape[1]
    padded = len(ranks) * max(ranks) * (out + columns)
    if padded > _MOST_PADDED and len(ranks) * max(ranks) > _MOST_UNEQUAL * sum(ranks):
        raise AdapterError(
            f"the ranks of {group.module} are from {min(ranks)} to {max(ranks)}, and all of its {len(ranks)} "
            f"layers at the largest are {padded:,} numbers; name another module, or split the adapter"
        )


def _stacked(
    factors: list[Factor],
    *,
    rows: int | None = None,
    columns: int | None = None,
    part: FusedRows | None = None,
) -> Tensor:
    """(layer, rows, columns), each factor in its corner; of a fused projection, the rows of its role."""
    import torch

    first = factors[0]
    if part is None and len(factors) > 1 and all(one is first for one in factors):  # an identity
        return first.read().expand(len(factors), -1, -1)
    own_rows, own_columns = part.rows if part else factors[0].shape[0], factors[0].shape[1]
    height, width = rows or own_rows, columns or own_columns
    stacked: Tensor | None = None
    for k, factor in enumerate(factors):
        numbers = factor.read()
        if stacked is None:
            stacked = torch.zeros(len(factors), height, width, dtype=numbers.dtype)
        elif stacked.dtype != numbers.dtype:
            stacked = stacked.to(torch.promote_types(stacked.dtype, numbers.dtype))
        piece = part.take(numbers) if part else numbers
        stacked[k, : piece.shape[0], : piece.shape[1]] = piece
        factor.release()
    assert stacked is not None  # a group has members
    return stacked
