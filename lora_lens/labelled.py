"""Numbers as JSON, pandas and Jupyter take them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .printable import printable

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Row = dict[str, Any]
_LETTERS = 120  # of what is shown in a line
_ROWS = 24  # of a table in a notebook


def plain(value: float | Array) -> Any:
    """Numbers as JSON has them: lists and floats, None for what is not finite."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()] if value.ndim else plain(value.item())
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if np.isfinite(value) else None


def finite(found: Any) -> Any:
    """What JSON holds, with None for numbers that are not finite; words and whole numbers stay.

    Example:
        >>> finite({"history": [{"loss": float("nan")}], "seeds": (0, 1)})
        {'history': [{'loss': None}], 'seeds': [0, 1]}
    """
    if isinstance(found, Mapping):
        return {name: finite(value) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [finite(value) for value in found]
    return plain(found) if isinstance(found, float) else found


class Comparable:
    """A dataclass, equal to another of its class that holds the same: arrays number by number, and NaN is NaN.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, eq=False)
        ... class Found(Comparable):
        ...     phi: Array
        >>> Found(np.array([1, np.nan])) == Found(np.array([1, np.nan])), Found(np.ones(2)) == Found(np.ones(3))
        (True, False)
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [one.name for one in fields(self) if one.compare]  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # of arrays there is none


class Tidy:
    """A result of rows, one observation each."""

    def rows(self) -> list[Row]:
        """One observation a row; names to plain values."""
        raise NotImplementedError

    def to_frame(self) -> DataFrame:
        """`rows` as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.rows())


class Brief(Comparable):
    """A dataclass that shows itself in one line: what its own `_said` has, or its fields, arrays by their shape.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, repr=False, eq=False)
        ... class Found(Brief):
        ...     layer: int
        ...     mean: float
        ...     phi: Array
        >>> Found(3, 0.123456, np.zeros((12, 12)))
        <Found: layer 3, mean 0.1235, phi 12×12>
    """

    @property
    def _said(self) -> str:
        found = [(one.name, getattr(self, one.name)) for one in fields(self) if one.repr]  # type: ignore[arg-type]
        return ", ".join(
            f"{name} {_short(value)}"
            for name, value in found
            if value is not None and not is_dataclass(value)
        )

    def __repr__(self) -> str:
        line = f"{type(self).__name__}: {printable(' '.join(self._said.split()))}"
        if len(line) > _LETTERS - 2:
            cut = line[: _LETTERS - 4]
            line = f"{cut.rpartition(', ')[0] or cut}, …"
        return f"<{line}>"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray) and value.ndim:
        return "×".join(map(str, value.shape))
    if isinstance(value, Mapping):
        return "/".join(map(str, value)) or "none"
    if isinstance(value, tuple) and len(value) > 2:
        return f"of {len(value)}"
    return str(value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    if one is None or other is None:
        return one is other
    if any(isinstance(each, float) or hasattr(each, "__array__") for each in (one, other)):
        numbers = all(np.asarray(each).dtype.kind in "biufc" for each in (one, other))
        return np.array_equal(one, other, equal_nan=numbers)
    return bool(one == other)


def html_rows(title: str, rows: list[Row]) -> str:
    """Rows as a small table with its caption; what is left out of it is said below."""
    head = list(rows[0]) if rows else []
    shown = html_table(title, head, [list(row.values()) for row in rows[:_ROWS]])
    left = len(rows) - _ROWS
    return shown + (f"<p>and {left} rows more: to_dict()</p>" if left > 0 else "")


def html_table(title: str, head: list[Any], body: list[list[Any]], *, shaded: bool = False) -> str:
    """A table with its caption; numbers from 0 to 1 on a shade of their size if `shaded`."""

    def cell(value: Any) -> str:
        if not isinstance(value, float):
            return f"<td>{html.escape(str(value))}</td>"
        if not np.isfinite(value):
            return "<td>–</td>"
        shade = f' style="background:rgba(31,119,180,{0.75 * value:.3f})"' if shaded else ""
        return f"<td{shade}>{value:.3f}</td>"

    heads = "".join(f"<th>{html.escape(str(name))}</th>" for name in head)
    rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in body)
    return f"<table><caption>{html.escape(title)}</caption><tr>{heads}</tr>{rows}</table>"
