"""A table of text, and how numbers are written in it: the same on the terminal and in files."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LABELS = {"A": "A", "B": "B", "BA": "BA", "delta": "ΔW"}
NONE = "–"  # where there is no number
_MOST_DECIMALS = 8
_ROUNDING = 1e-6  # of a mean: nulls are drawn in float32
# 0.12, −1.5, 1,024, 12.3e-5, 1/2/8, 4×4, 3 of 10, 95 %, 12.5°, 0.167 ± 0.012, 4 (2), < 0.001
_ONE = r"[-+−]?\d[\d.,]*(?:e[-+]?\d+)?(?: ?[%°])?"
_NUMBER = re.compile(rf"(?:(?:< )?{_ONE}|∞)(?:(?: ± | of |/|×)(?:{_ONE}|–))*(?: \({_ONE}\))?")

# What names a row at its beginning; a null does wherever it stands, as a row is of one of several.
_NAMES = (
    "module", "layer", "matrix", "side", "share", "null", "coordinate", "top k", "adapter", "of", "one", "other",
    "over layers",
)  # fmt: skip
_ANYWHERE = ("null",)


class Table(NamedTuple):
    """A title, column heads, and rows of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers and nothing else: they stand at the right."""
        columns = [[row[k] for row in self.rows] for k in range(len(self.head))]
        return tuple(
            any(_NUMBER.fullmatch(one) for one in column)
            and all(_NUMBER.fullmatch(one) or one in ("", NONE) for one in column)
            for column in columns
        )

    @property
    def naming(self) -> list[int]:
        """Positions of the columns that say which row it is: the first, and what is headed as a name behind it."""
        leading = next((k for k, head in enumerate(self.head) if head not in _NAMES), 0) or 1
        return [
            k for k, head in enumerate(self.head)
            if k < leading or (head in _ANYWHERE and self.head[0] in _NAMES)
        ]  # fmt: skip

    def under(self, what: str) -> Table:
        """The same, its title below what it is of: in a file no other line says that."""
        return self._replace(title=f"{what}. {self.title}")


def number(value: float | None, digits: int = 3, *, plus: bool = False) -> str:
    """A number of a fixed count of decimals, or a dash where there is none; what reads as 0 has no sign.

    Example:
        >>> number(-0.0004), number(0.04, 1, plus=True), number(1.26, 1, plus=True)
        ('0.000', '0.0', '+1.3')
    """
    if not _is_number(value):
        return NONE
    text = f"{value:{'+' if plus else ''}.{digits}f}"
    return text if float(text) else text.lstrip("+-")


def p_value(p: float | None) -> str:
    """A p-value of three decimals, none of which is 0.000.

    Example:
        >>> p_value(0.0149), p_value(2e-9), p_value(None)
        ('0.015', '< 0.001', '–')
    """
    return "< 0.001" if p is not None and p < 0.001 else number(p)


def drawn(draws: int) -> str:
    """How many draws there are of a null, or a dash for one in closed form alone."""
    return str(draws) if draws else NONE


def p_text(p: float) -> str:
    """``p = 0.020``, or ``p < 0.001``."""
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def signed(value: float | None, digits: int) -> str:
    """`number` with its sign."""
    return number(value, digits, plus=True)


def significant(value: float | None, *, zeros: bool = True) -> str:
    """Four significant digits, or a dash; with their zeros a column of them lines up."""
    if not _is_number(value):
        return NONE
    return f"{value:#.4g}".removesuffix(".") if zeros else f"{value:.4g}"


def beside(mean: float, sd: float, digits: int = 3) -> str:
    """A mean and its deviation to two significant digits, or a dash where there is none.

    Args:
        mean: In as many decimals as the deviation has.
        sd: The deviation; of what does not vary but for rounding, as of one draw that all are, it is not said.
        digits: Decimals of the mean where the deviation is rounding or none.

    Example:
        >>> beside(0.16667, 0.0123), beside(0.16667, 0.00041), beside(81.0, 1.37)
        ('0.167 ± 0.012', '0.16667 ± 0.00041', '81.0 ± 1.4')
        >>> beside(0.08481672, 2e-9), beside(0.0, 0.0)
        ('0.085', '0.000')
    """
    if not _is_number(mean):
        return NONE
    if _is_number(sd) and sd <= _ROUNDING * abs(mean):
        return number(mean, digits)
    if _is_number(sd):
        digits = min(max(0, 1 - math.floor(math.log10(float(f"{sd:.1e}")))), _MOST_DECIMALS)
    return f"{number(mean, digits)} ± {number(sd, digits)}"


def called(source: str) -> str:
    """What an adapter or a base model is called: the last part of a path; a hub id as it is.

    Example:
        >>> called("/runs/stsb-lora-0"), called("/runs/rte/checkpoint-500/")
        ('stsb-lora-0', 'rte/checkpoint-500')
        >>> called("sentence-transformers/all-mpnet-base-v2")
        'sentence-transformers/all-mpnet-base-v2'
    """
    parts = [part for part in source.replace("\\", "/").split("/") if part]
    hub_id = len(parts) == 2 and source[0] not in "/.~" and "\\" not in source
    if not parts or hub_id:
        return source
    return "/".join(parts[-2:] if parts[-1].startswith("checkpoint-") else parts[-1:])


def called_apart(one: str, other: str) -> tuple[str, str]:
    """`called` of two, with the folders above where those are called the same."""
    names = called(one), called(other)
    above = 2
    while names[0] == names[1] and one != other and above <= max(one.count("/"), other.count("/")):
        names = ("/".join(one.split("/")[-above:]), "/".join(other.split("/")[-above:]))
        above += 1
    return names


def true_minus(text: str) -> str:
    """A cell's numbers with a minus sign in the place of a hyphen.

    Example:
        >>> true_minus("-0.12"), true_minus("sub-layer -1")
        ('−0.12', 'sub-layer -1')
    """
    return text.replace("-", "−", 1) if _NUMBER.fullmatch(text) and text[0] == "-" else text


def layer_number(layer: int | None) -> str:
    """A layer's number, or a dash for a module that is in no numbered layer."""
    return NONE if layer is None else str(layer)


def sided(matrix: str, side: str) -> str:
    """A matrix and whose singular vectors: ``ΔW (left)``."""
    return f"{LABELS[matrix]} ({side})"


def dimensions(i: int, j: int) -> str:
    """How many directions of each of two: ``i = j = 8``, or both where they differ."""
    return f"i = j = {i}" if i == j else f"i = {i}, j = {j}"


def singular_vectors(matrix: str, side: str) -> str:
    """A matrix and whose singular vectors, as a figure says it, which no sentence explains: ``ΔW (left singular vectors)``."""
    return f"{LABELS[matrix]} ({side} singular vectors)"


def _is_number(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))
