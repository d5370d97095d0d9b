"""A table of text, and how numbers are written in it: the same on the terminal and in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LABELS = {"A": "A", "B": "B", "BA": "BA", "delta": "ΔW"}
NONE = "–"  # where there is no number


class Table(NamedTuple):
    """A title, column heads, and rows of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def under(self, what: str) -> Table:
        """The same, its title below what it is of: in a file no other line says that."""
        return self._replace(title=f"{what}. {self.title}")


def number(value: float | None, digits: int = 3, *, plus: bool = False) -> str:
    """A number of a fixed count of decimals, or a dash where there is none."""
    return NONE if not _is_number(value) else f"{value:{'+' if plus else ''}.{digits}f}"


def signed(value: float | None, digits: int) -> str:
    """`number` with its sign; what reads as 0 has none."""
    text = number(value, digits, plus=True)
    return text if text == NONE or float(text) else text[1:]


def significant(value: float | None, *, zeros: bool = True) -> str:
    """Four significant digits, or a dash; with their zeros a column of them lines up."""
    if not _is_number(value):
        return NONE
    return f"{value:#.4g}".removesuffix(".") if zeros else f"{value:.4g}"


def beside(mean: float, sd: float, digits: int = 3) -> str:
    """A null's mean and deviation, or a dash where there is none."""
    return NONE if not _is_number(mean) else f"{number(mean, digits)} ± {number(sd, digits)}"


def layer_number(layer: int | None) -> str:
    """A layer's number, or a dash for a module that is in no numbered layer."""
    return NONE if layer is None else str(layer)


def counted(count: int, what: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _is_number(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))
