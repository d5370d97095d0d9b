"""Many adapters pair by pair, as tables: a grid where they are few, the closest pairs, the clusters."""

from __future__ import annotations

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.text import Text

from ..results import MatrixResult
from . import terminal
from .layout import LABELS, Table, number

MOST_IN_GRID = 12
_CLOSEST = 10
_MEMBERS = 6


def matrix_title(result: MatrixResult) -> str:
    """What was compared, in one line."""
    lowest, highest = int(result.ranks.min()), int(result.ranks.max())
    own = f"each at its own rank, {lowest} to {highest}"
    dimensions = f"i = j = {lowest}" if lowest == highest else own
    layers = len(result.layers)
    return (
        f"φ of {LABELS[result.matrix]} ({result.side} side) between {len(result)} adapters: "
        f"{result.module}, {dimensions}, mean of {layers} layer{'' if layers == 1 else 's'}"
    )


def grid_table(result: MatrixResult) -> Table:
    """φ of every two adapters; a column is the adapter of that row's number."""
    rows = [
        [f"{k + 1} {name}", *(number(float(value)) for value in row)]
        for k, (name, row) in enumerate(zip(result.names, result.values, strict=True))
    ]
    return Table(matrix_title(result), ["adapter", *(str(k + 1) for k in range(len(result)))], rows)


def pair_table(result: MatrixResult, count: int = _CLOSEST) -> Table:
    """The closest pairs beside what chance gives them."""
    rows = [
        [
            result.names[one],
            result.names[other],
            result.dimension(one),
            result.dimension(other),
            number(float(result.values[one, other])),
            f"{number(float(result.gaussian_mean[one, other]), 4)} ± "
            f"{number(float(result.gaussian_sd[one, other]), 4)}",
            _z(float(result.z[one, other])),
        ]
        for one, other in result.closest(count)
    ]
    pairs = len(result) * (len(result) - 1) // 2
    title = (
        ("The one pair" if pairs == 1 else f"All {pairs} pairs, closest first")
        if pairs <= count
        else f"The {count} closest of {pairs:,} pairs"
    )
    return Table(title, ["one", "other", "i", "j", "φ", "gaussian ± sd", "z"], rows)


def cluster_table(result: MatrixResult) -> Table:
    """The clusters, their members and the mean φ inside each, and between all."""
    rows = [
        [str(number_), str(len(members)), number(result.within(number_)), _members(result, members)]
        for number_, members in result.members().items()
        if len(members) > 1
    ]
    alone = [members[0] for members in result.members().values() if len(members) == 1]
    if alone:
        rows.append(["alone", str(len(alone)), "–", _members(result, alone)])
    found = len(result.members())
    title = (
        f"{found} cluster{'' if found == 1 else 's'} by average linkage of 1 − φ: mean φ "
        f"{number(result.within())} within, {number(result.between())} between"
    )
    return Table(title, ["cluster", "adapters", "mean φ", "members"], rows)


def matrix(result: MatrixResult, _: Console) -> RenderableType:
    """The grid of few adapters; of any number the closest pairs and the clusters."""
    parts: list[RenderableType] = []
    if len(result) <= MOST_IN_GRID:
        parts.append(terminal.table(grid_table(result)))
    else:
        values = result.values[result.pairs()]
        low, middle, high = np.quantile(values, (0, 0.5, 1))
        parts += [
            Text(matrix_title(result), style="bold"),
            Text(f"lowest φ {low:.3f}, median {middle:.3f}, highest {high:.3f}"),
        ]
    return Group(
        *parts,
        terminal.table(pair_table(result)),
        *([terminal.table(cluster_table(result), wide=True)] if len(result) > 2 else []),
        Text(""),
        Text(explanation(result), style="dim"),
        *terminal.notes(result.notes),
    )


def explanation(result: MatrixResult) -> str:
    """How to read the numbers, and what they do not show."""
    nulls = (
        "gaussian: unrelated subspaces, mean and deviation of the mean over the layers; z: φ in those "
        "deviations."
    )
    if len(result) == 2:
        return nulls
    cut = (
        "The tree is cut into as many clusters as asked for"
        if result.clusters_given
        else "The tree is cut where chance begins, or at its largest gap if it is all above chance"
    )
    return (
        f"{nulls} {cut}; clusters are made from these very φ, so that φ is higher within them than "
        f"between is no evidence."
    )


def _z(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:+.1f}"


def _members(result: MatrixResult, members: list[int]) -> str:
    more = f" and {len(members) - _MEMBERS} more" if len(members) > _MEMBERS else ""
    return ", ".join(result.names[k] for k in members[:_MEMBERS]) + more
