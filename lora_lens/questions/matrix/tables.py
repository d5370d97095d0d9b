"""Many adapters pair by pair as text: a grid where they are few, the closest pairs, the clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...chance.p_values import fewest_discoveries
from ...chance.significance import LEVEL
from ...several import counted
from ...show.csv_text import frame_csv
from ...show.elided import elided
from ...show.layout import LABELS, NONE, Table, beside, number, p_value, signed
from ...show.wording import few
from .result import MatrixResult
from .words import clusters_told

MOST_IN_GRID = 12
_CLOSEST = 10
_MEMBERS = 6
_CUTS = {
    "chance": "The tree is cut where chance begins",
    "gap": "All of the tree is above chance, so that it is cut at its largest gap, which is arbitrary: adapters of "
    "different clusters are alike, too",
    "given": "The tree is cut into as many clusters as asked for",
}


def tables(result: MatrixResult) -> list[Table]:
    """The closest pairs beside chance, the grid of few adapters, and the clusters, where there is more than a pair."""
    clusters = [cluster_table(result)] if len(result) > 2 else []
    if len(result) <= MOST_IN_GRID:
        return [pair_table(result), grid_table(result), *clusters]
    return [pair_table(result).under(title(result)), *clusters]


def texts(result: MatrixResult) -> dict[str, str]:
    """Tidy numbers as CSV, by what follows the files' stem."""
    # Millions of pairs as Python rows would not fit where the arrays do.
    return {".csv": frame_csv(result.to_frame())}


def title(result: MatrixResult) -> str:
    """What was compared, in one line."""
    lowest, highest = int(result.ranks.min()), int(result.ranks.max())
    own = f"each at its own rank, {lowest} to {highest}"
    dimensions = f"i = j = {lowest}" if lowest == highest else own
    return (
        f"φ of {LABELS[result.matrix]} ({result.side} side) between {len(result)} adapters: "
        f"{result.module}, {dimensions}, mean of {counted(len(result.layers), 'layer')}"
    )


def grid_table(result: MatrixResult) -> Table:
    """φ of every two adapters; a column is the adapter of that row's number."""
    rows = [
        [f"{k + 1} {name}", *(number(float(value)) for value in row)]
        for k, (name, row) in enumerate(zip(elided(result.names), result.values, strict=True))
    ]
    return Table(title(result), ["adapter", *(str(k + 1) for k in range(len(result)))], rows)


def pair_table(result: MatrixResult) -> Table:
    """The closest pairs beside what chance gives them."""
    names = elided(result.names)
    rows = [
        [
            names[one],
            names[other],
            result.dimension(one),
            result.dimension(other),
            number(float(result.values[one, other])),
            beside(
                float(result.gaussian_mean[one, other]), float(result.gaussian_sd[one, other]), 4
            ),
            number(float(result.z[one, other]), 1, plus=True),
            p_value(float(result.p[one, other])),
            signed(float(result.excess[one, other]), 3),
        ]
        for one, other in result.closest(_CLOSEST)
    ]
    pairs = len(result) * (len(result) - 1) // 2
    what = (
        ("The one pair" if pairs == 1 else f"All {pairs} pairs, closest first")
        if pairs <= _CLOSEST
        else f"The {_CLOSEST} closest of {pairs:,} pairs"
    )
    if result.by != "φ":
        what += f", by {result.by}"
    return Table(what, ["one", "other", "i", "j", "φ", "gaussian ± sd", "z", "p", "excess"], rows)


def cluster_table(result: MatrixResult) -> Table:
    """The clusters, their members and the mean φ, or excess, inside each, and between all."""
    names = elided(result.names)
    rows = [
        [str(cluster), str(len(members)), number(result.within(cluster)), _members(names, members)]
        for cluster, members in result.members().items()
        if len(members) > 1
    ]
    alone = [members[0] for members in result.members().values() if len(members) == 1]
    if alone:
        # Beyond a cut that is not at chance, two can be far above chance and in no cluster together.
        alone_in = "alone" if result.cut == "chance" else "in none at this cut"
        rows.append([alone_in, str(len(alone)), NONE, _members(names, alone)])
    what = (
        f"{clusters_told(result)}, by average linkage of 1 − {result.by}: mean {result.by} "
        f"{number(result.within())} within, {number(result.between())} between"
    )
    return Table(what, ["cluster", "adapters", f"mean {result.by}", "members"], rows)


def legend(result: MatrixResult) -> list[str]:
    """How to read the numbers, and what they do not show."""
    nulls = (
        "gaussian: unrelated subspaces, mean and deviation of the mean over the layers; z: φ in those "
        "deviations; p: share of draws that reach it; excess: (φ − null)/(1 − null)."
    )
    found, pairs = int((result.p_bh[result.pairs()] <= LEVEL).sum()), len(result.pairs()[0])
    if pairs > 1 and not np.isnan(result.p).all():
        nulls += (
            f" {found} of {pairs:,} pairs are above chance at a false discovery rate of {LEVEL} "
            f"(Benjamini-Hochberg)."
        )
        if (fewest := fewest_discoveries(pairs, result.draws, LEVEL)) > 1:
            nulls += f" With {result.draws} draws fewer than {fewest:,} at once cannot be found."
    nulls += " Where layers of both adapters lie alike, as A of VeRA does, they count as fewer: sd, z and p allow for it from 1.02 times the scatter of independent ones on, as of layers alike in all of their directions; where a few directions are common to many layers and the rest are not, more pairs are above chance than the level says. Where a few coordinates outweigh the rest in both adapters, as in sparse factors, φ scatters as under permutations of coordinates: sd, z, p and clusters allow for it from 1.1 times the scatter on."
    if len(result) == 2:
        return [nulls]
    return [
        nulls,
        f"{_CUTS[result.cut]}; clusters are made from these very φ, so that φ is higher within them than between is "
        f"no evidence.",
    ]


def _members(names: Sequence[str], members: list[int]) -> str:
    return few((names[k] for k in members), _MEMBERS)
