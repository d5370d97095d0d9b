"""φ(i, j) for every i and j as text: the corners of every grid, and grids where they are few."""

from __future__ import annotations

import numpy as np

from ...show.against_chance import resolution
from ...show.csv_text import as_csv
from ...show.layout import (
    LABELS,
    Table,
    beside,
    called_apart,
    number,
    p_value,
    sided,
    signed,
)
from .result import RankGrid, RankGrids

_SHOWN = 12  # rows or columns of a grid up to which all are shown
_P = "of one layer, two-sided, uncorrected"


def tables(result: RankGrids) -> list[Table]:
    """The summary, and every grid."""
    what = f"{title(result)}; {', '.join(called_apart(result.one, result.other))}"
    return [corner_table(result).under(what), *map(ij_table, result)]


def texts(result: RankGrids) -> dict[str, str]:
    """Tidy numbers as CSV, by what follows the files' stem."""
    return {".csv": as_csv(result.rows()), "-angles.csv": as_csv(result.angles())}


def title(result: RankGrids) -> str:
    """What i and j count, in one line."""
    if result.between == "w0-delta":
        return f"φ(i, j) of {result.module}: i over W0's singular vectors, j over ΔW's"
    return f"φ(i, j) of {result.module}: i over the first adapter's singular vectors, j over the second's"


def names(result: RankGrids) -> tuple[tuple[str, str], tuple[str, str]]:
    """Whose singular vectors i counts and whose j, each and what that is called."""
    one, other = ("W0", "ΔW of") if result.between == "w0-delta" else ("first", "second")
    called = called_apart(result.one, result.other)
    return (one, called[0]), (other, called[1])


def kind_title(result: RankGrids, grid: RankGrid) -> str:
    """Whose singular vectors are compared, in words."""
    whose = "W0 and ΔW" if result.between == "w0-delta" else LABELS[grid.matrix]
    return f"{whose}, {grid.side} singular vectors"


def corner_table(result: RankGrids) -> Table:
    """The corners of every grid beside chance, and the principal angles."""
    head = [
        "matrix", "layer", "r1×r2", "φ(1, 1)", "φ(r1, r2)", "by chance", "z", "p",
        "angles from", "median", "to",
    ]  # fmt: skip
    rows = [
        [
            kind_named(grid), str(grid.layer), f"{grid.shape[0]}×{grid.shape[1]}",
            number(grid.values[0, 0]), number(grid.values[-1, -1]),
            beside(grid.gaussian_mean[-1, -1], grid.gaussian_sd[-1, -1]),
            signed(grid.z[-1, -1], 1), p_value(tests["p_two_sided"]),
            *(f"{angle:.1f}°" for angle in np.quantile(grid.angles, (0, 0.5, 1))),
        ]
        for grid, tests in zip(result, result.whole(), strict=True)
    ]  # fmt: skip
    return Table(
        f"Top directions, subspaces of all r1 and r2, and the angles between those; p: {_P}",
        head,
        rows,
    )


def legend(result: RankGrids) -> list[str]:
    """What chance is, and in how many layers the largest subspaces are above it."""
    lines = [
        "by chance: unrelated subspaces, max(i, j)/d; z: deviations above it; p: share of draws as far "
        f"from their middle as φ(r1, r2), {_P}. Where ΔW lies along few of W0's singular directions, or on few coordinates, φ of "
        "what is unrelated scatters further to both sides, and more is called more or less than the level says"
    ]
    tests = {sided(*kind): one for kind, one in result.significance.items()}
    found = [
        f"{name} {one.discoveries} of {one.tests}"
        for name, one in tests.items()
        if one.findable and name not in {sided(*kind) for kind in result.together}
    ]
    if found:
        lines.append(
            f"layers above that at a false discovery rate of 0.05 (Benjamini-Hochberg): {', '.join(found)}"
        )
    return lines + resolution(tests, "layers")


def ij_table(grid: RankGrid) -> Table:
    """One grid; of a large one the powers of two."""
    rows, columns = (ticks(count) for count in grid.shape)
    body = [[str(i), *(f"{grid.values[i - 1, j - 1]:.3f}" for j in columns)] for i in rows]
    what = f"φ(i, j) of {kind_named(grid)}, layer {grid.layer}; rows i, columns j"
    return Table(what, ["i", *map(str, columns)], body)


def ticks(count: int) -> list[int]:
    """1 to `count` where they are few, else the powers of two and the last."""
    if count <= _SHOWN:
        return list(range(1, count + 1))
    powers = [2**k for k in range(count.bit_length()) if 2**k < count]
    return [*powers, count]


def kind_named(grid: RankGrid) -> str:
    """A matrix and the side of its singular vectors."""
    return sided(grid.matrix, grid.side)
