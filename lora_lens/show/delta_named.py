"""What numbers are of, named: ΔW, or of DoRA without its W0 the s·B·A that its ΔW is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Matrix = Literal["ΔW = s·B·A", "ΔW", "s·B·A"]


def product_of(*, rescaled: bool) -> Matrix:
    """What s·B·A is: ΔW itself, unless ΔW is more than that, as DoRA's."""
    return "s·B·A" if rescaled else "ΔW = s·B·A"


def symbol(matrices: Iterable[Matrix]) -> str:
    """The letters of all of them in sentences and columns.

    Example:
        >>> symbol(["ΔW = s·B·A", "ΔW"]), symbol(["s·B·A"]), symbol(["s·B·A", "ΔW"])
        ('ΔW', 's·B·A', 's·B·A or ΔW')
    """
    return " or ".join(dict.fromkeys(one.partition(" ")[0] for one in matrices))


def ranks_of(name: str) -> str:
    """What stable and effective rank are of the matrix so named, s its singular values.

    Example:
        >>> ranks_of("ΔW")
        'stable rank: ‖ΔW‖_F²/σ₁²; effective rank: exp of the entropy of s/Σs'
    """
    return f"stable rank: ‖{name}‖_F²/σ₁²; effective rank: exp of the entropy of s/Σs"


def equation(matrices: Iterable[Matrix]) -> str:
    """The same as a table's title has it: with what ΔW is, where that is s·B·A of all.

    Example:
        >>> equation(["ΔW = s·B·A"]), equation(["ΔW"]), equation(["ΔW = s·B·A", "s·B·A"])
        ('ΔW = s·B·A', 'ΔW', 'ΔW or s·B·A')
    """
    kinds = dict.fromkeys(matrices)
    return next(iter(kinds)) if len(kinds) == 1 else symbol(kinds)
