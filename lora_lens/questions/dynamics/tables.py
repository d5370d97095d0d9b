"""An adapter over its training as text: a row a checkpoint."""

from __future__ import annotations

from typing import Literal

from ...several import counted
from ...show.delta_named import ranks_of
from ...show.layout import Table, beside, number, significant
from .result import DynamicsResult, over_layers

_SPACES = {"A": "A right", "B": "B left", "delta_left": "ΔW left", "delta_right": "ΔW right"}

_FIRST = "where it first exists"


def tables(result: DynamicsResult) -> list[Table]:
    """The means over the layers, and φ to the end point layer by layer."""
    return [*mean_tables(result), layer_table(result)]


def legend(result: DynamicsResult) -> list[str]:
    """What the words in the tables mean."""
    return [
        "gaussian: unrelated subspaces, mean and deviation of the mean over the layers, taken as independent",
        "a dash: φ does not exist there, as of a B that is still zero"
        if "B" in result.to_end
        else "a dash: φ does not exist there, as of a ΔW that is still zero",
        ranks_of("ΔW"),
    ]


def mean_tables(result: DynamicsResult) -> list[Table]:
    """Means over the layers, by checkpoint."""
    return [
        similarity_table(result, "end"),
        similarity_table(result, "start"),
        size_table(result),
    ]


def similarity_table(result: DynamicsResult, to: Literal["end", "start"]) -> Table:
    """Mean φ over the layers to the end point or to the first checkpoint, with what chance gives below."""
    grids = result.to_end if to == "end" else result.to_start
    means = [over_layers(grid) for grid in grids.values()]
    rows = [
        [result.label(t), *(number(float(mean[t])) for mean in means)]
        for t in range(len(result.names))
    ]
    chance = [beside(float(b.mean), b.mean_sd) for b in map(result.baselines.__getitem__, grids)]
    title = f"φ to {whereto(result, to)}: {result.module}, i = j = {result.rank}, mean of {_layers(result)}"
    heads = [_SPACES[space] for space in grids]
    return Table(title, ["step", *heads], [*rows, ["gaussian", *chance]])


def whereto(result: DynamicsResult, to: Literal["end", "start"]) -> str:
    """Which checkpoint φ is taken to; which for what, where B is zero at the first. The first that was kept is often no start."""
    if to == "end":
        return f"the end point ({result.end})"
    names = dict.fromkeys(result.starts.values())
    if len(names) == 1:
        (name,) = names
        which = "the start" if result.began(name) else "the first checkpoint kept"
        return f"{which if name == result.start else _FIRST} ({name})"
    of = {
        name: [_SPACES[s].split()[0] for s, n in result.starts.items() if n == name]
        for name in names
    }
    each = "; ".join(f"{', '.join(dict.fromkeys(of[name]))}: {name}" for name in names)
    return f"{_FIRST} ({each})"


def size_table(result: DynamicsResult) -> Table:
    """Norms and ranks, means over the layers."""
    norms, ranks = (
        [over_layers(grid) for grid in grids.values()] for grids in (result.norms, result.ranks)
    )
    rows = [
        [
            result.label(t),
            *(significant(float(mean[t]), zeros=False) for mean in norms),
            *(number(float(mean[t]), 2) for mean in ranks),
        ]
        for t in range(len(result.names))
    ]
    of = ("ΔW" if matrix == "delta" else matrix for matrix in result.norms)
    head = ["step", *(f"‖{name}‖_F" for name in of), "stable rank ΔW", "effective rank ΔW (s)"]
    return Table(f"Norms and ranks, mean of {_layers(result)}", head, rows)


def layer_table(result: DynamicsResult) -> Table:
    """φ of ΔW's left side to the end point, a column a layer."""
    rows = [
        [result.label(t), *(number(float(value)) for value in row)]
        for t, row in enumerate(result.to_end["delta_left"])
    ]
    title = f"φ of ΔW (left) to the end point by layer, i = j = {result.rank}"
    return Table(title, ["step", *map(str, result.layers)], rows)


def _layers(result: DynamicsResult) -> str:
    return counted(len(result.layers), "layer")
