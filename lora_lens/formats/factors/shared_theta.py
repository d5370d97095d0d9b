"""What the formats of CondLoRA have in common: θ_A and θ_B by target module, use_x, parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from ...errors import AdapterError
from ...updates import Factor
from ..adapter_files import AdapterFiles
from .factor_pairs import check_not_empty

# Of the released code's configuration, and no settings of LoRA.
OWN_KEYS = ("use_x", "lora_x_scaling")
# "noe" is the released code's own default.
_NO_USE_X = (None, False, "none", "noe")


def thetas_named(
    files: AdapterFiles, pattern: re.Pattern[str], *, transposed: bool
) -> tuple[dict[str, tuple[Factor, Factor]], list[str]]:
    """Target module → θ_A and θ_B as (rows, rank), and the names that are no θ.

    Args:
        files: Of the adapter.
        pattern: Of a name: groups ``module`` and ``factor``.
        transposed: Whether the file has θ as (rank, rows), as a linear layer's weight.

    Raises:
        AdapterError: One has no partner, or other axes.
    """
    found: dict[str, dict[str, Factor]] = {}
    others: list[str] = []
    for name in sorted(files.names):
        match = pattern.fullmatch(name)
        if match:
            check_not_empty(files, [name])
            factor = files.factor(name, transposed=transposed)
            found.setdefault(match["module"], {})[match["factor"]] = factor
        else:
            others.append(name)
    for module, factors in found.items():
        if len(factors) == 1:
            (has,), (lacks,) = factors, {"A", "B"} - factors.keys()
            raise AdapterError(f"{files.source}: θ_{has} of {module} has no partner θ_{lacks}")
    return {module: (factors["A"], factors["B"]) for module, factors in found.items()}, others


def check_no_use_x(files: AdapterFiles) -> None:
    """Refuse the released code's experiment in which A and B depend on the input.

    Raises:
        AdapterError: ``use_x`` is on.
    """
    use_x = files.config.get("use_x")
    if use_x not in _NO_USE_X:
        raise AdapterError(
            f"{files.source} sets use_x={use_x!r}: its factors depend on the input, an experiment "
            f"outside the paper; there is no A and B to analyse"
        )


def numbers_in(thetas: Iterable[tuple[Factor, Factor]]) -> int:
    """How many numbers θ holds."""
    return sum(math.prod(theta.shape) for pair in thetas for theta in pair)
