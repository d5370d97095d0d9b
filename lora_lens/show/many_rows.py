"""Tables of more rows than are read: least, median and most of every column, module by module."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence

from .layout import NONE, Table

MOST_ROWS = 64  # of what is read as a whole
MOST_LAYERS = 32  # a row or a column each
_NAMES = ("module", "of", "matrix")
_LAYER = "layer"
_EXPERTS = 4  # at least so many modules that differ in numbers alone
ENDS = ("least", "median", "most")
_FIRST_NUMBER = re.compile(r"[-+−]?\d[\d.,]*(?:e[-+]?\d+)?")


def condensed(content: Table, *, most: int = MOST_ROWS, counted: str = "matrices") -> Table:
    """A table of layers as it is; of more than `most` rows three a module, each column by itself.

    Four modules or more that differ in whole numbers alone, as experts do, are one: ``*.down_proj``; fewer are
    not, for T5's ``1.DenseReluDense.wo`` is the encoder's and its ``2.DenseReluDense.wo`` the decoder's. Medians are of the
    numbers that are there, the lower of two in the middle.

    Args:
        content: Its columns are ``module``, ``layer``, perhaps ``of`` or ``matrix``, and numbers.
        most: Rows that are shown as they are.
        counted: What a row of it is of.

    Example:
        >>> rows = [[str(k), f"{k % 5}.up", f"{k / 100:.2f}"] for k in range(100)]
        >>> condensed(Table("Norms", ["layer", "module", "norm"], rows)).rows[0]
        ['*.up', 'least', '100', '0.00']
        >>> [row[-1] for row in condensed(Table("Norms", ["layer", "module", "norm"], rows)).rows]
        ['0.00', '0.49', '0.99']
    """
    if len(content.rows) <= most:
        return content
    names = [k for k, head in enumerate(content.head) if head in _NAMES]
    numbers = [k for k, head in enumerate(content.head) if head not in (*_NAMES, _LAYER)]
    known = _without_experts({row[k] for k in names for row in content.rows})
    groups: dict[tuple[str, ...], list[Sequence[str]]] = {}
    for row in content.rows:
        groups.setdefault(tuple(known[row[k]] for k in names), []).append(row)
    rows = [
        [
            *_once([*name], at),
            end,
            *_once([str(len(those))], at),
            *(ends([row[k] for row in those])[at] for k in numbers),
        ]
        for name, those in groups.items()
        for at, end in enumerate(ENDS)
    ]
    head = [*(content.head[k] for k in names), "over layers", counted]
    return Table(
        f"{content.title.removesuffix(', layer by layer')}; least, median and most, each column by itself",
        [*head, *(content.head[k] for k in numbers)],
        rows,
    )


def smallest_p(content: Table, most: int) -> Table:
    """The rows of a table with the smallest ``p``, in their order; its title says how many of how many.

    Args:
        content: Of layers, with a column ``p``.
        most: Rows that are kept.

    Example:
        >>> rows = [["0", "0.300"], ["1", "< 0.001"], ["2", "0.020"]]
        >>> smallest_p(Table("By layer", ["layer", "p"], rows), 2)
        Table(title='By layer; the 2 of 3 layers with the smallest p', head=['layer', 'p'], rows=[['1', '< 0.001'], ['2', '0.020']])
    """
    column = list(content.head).index("p")
    first = sorted(range(len(content.rows)), key=lambda k: _p(content.rows[k][column]))[:most]
    return Table(
        f"{content.title}; the {len(first)} of {len(content.rows)} layers with the smallest p",
        content.head,
        [content.rows[k] for k in sorted(first)],
    )


def _p(cell: str) -> float:
    return 0.0 if cell.startswith("<") else _value(cell)


def _once(cells: list[str], at: int) -> list[str]:
    """What names three rows stands in the first of them."""
    return [""] * len(cells) if at else cells


def _without_experts(names: Collection[str]) -> dict[str, str]:
    alike = Counter(map(_numberless, names))
    return {
        name: short if alike[short := _numberless(name)] >= _EXPERTS else name for name in names
    }


def _numberless(name: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))


def ends(cells: Sequence[str]) -> tuple[str, str, str]:
    """Least, lower median and most of the cells that hold a number; dashes where none does."""
    found = sorted((cell for cell in cells if cell != NONE), key=_value)
    return (found[0], found[(len(found) - 1) // 2], found[-1]) if found else (NONE,) * 3


def _value(cell: str) -> float:
    if cell.startswith("∞"):
        return math.inf
    number = _FIRST_NUMBER.match(cell)
    return float(number[0].replace(",", "").replace("−", "-")) if number else 0.0


def said_of(rows: int, counted: str = "matrices", *, most: int = MOST_ROWS) -> list[str]:
    """Where every row is; nothing where all are shown.

    Example:
        >>> said_of(12), said_of(560)
        ([], ['560 matrices are too many for a row each: every one is in --json and in the CSV of --out'])
    """
    if rows <= most:
        return []
    return [
        f"{rows} {counted} are too many for a row each: every one is in --json and in the CSV of --out"
    ]
