"""An adapter over its training, as tables: a row a checkpoint."""

from __future__ import annotations

from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ..results import DynamicsResult
from ..results.dynamics import over_layers
from . import terminal
from .layout import Table, compact, number

_SPACES = {"A": "A right", "B": "B left", "delta_left": "ΔW left", "delta_right": "ΔW right"}


def similarity_table(result: DynamicsResult, to: Literal["end", "start"]) -> Table:
    """Mean φ over the layers to the end point or to the start, with what chance gives below."""
    grids = result.to_end if to == "end" else result.to_start
    means = [over_layers(grid) for grid in grids.values()]
    rows = [
        [_step(result, t), *(number(float(mean[t])) for mean in means)]
        for t in range(len(result.names))
    ]
    chance = [
        f"{number(float(b.mean))} ± {number(b.mean_sd)}"
        for b in (result.baselines[space] for space in grids)
    ]
    where = f"the end point ({result.end})" if to == "end" else f"the start ({result.start})"
    title = f"φ to {where}: {result.module}, i = j = {result.rank}, mean of {_layers(result)}"
    heads = [_SPACES[space] for space in grids]
    return Table(title, ["step", *heads], [*rows, ["gaussian", *chance]])


def size_table(result: DynamicsResult) -> Table:
    """Norms and ranks, means over the layers."""
    means = [over_layers(grid) for grid in (*result.norms.values(), *result.ranks.values())]
    norms = len(result.norms)
    rows = [
        [
            _step(result, t),
            *(compact(float(mean[t])) for mean in means[:norms]),
            *(number(float(mean[t]), 2) for mean in means[norms:]),
        ]
        for t in range(len(result.names))
    ]
    head = ["step", "‖ΔW‖_F", "‖A‖_F", "‖B‖_F", "stable rank ΔW", "effective rank ΔW (s)"]
    return Table(f"Norms and ranks, mean of {_layers(result)}", head, rows)


def layer_table(result: DynamicsResult) -> Table:
    """φ of ΔW's left side to the end point, a column a layer."""
    grid = result.to_end["delta_left"]
    rows = [
        [_step(result, t), *(number(float(value)) for value in row)] for t, row in enumerate(grid)
    ]
    title = f"φ of ΔW (left) to the end point by layer, i = j = {result.rank}"
    return Table(title, ["step", *map(str, result.layers)], rows)


def dynamics(result: DynamicsResult, _: Console) -> RenderableType:
    """The tables of means, and the notes."""
    return Group(
        Text(f"{result.method} run {result.run}", style="dim"),
        terminal.table(similarity_table(result, "end")),
        terminal.table(similarity_table(result, "start")),
        terminal.table(size_table(result)),
        Text(""),
        *terminal.notes(result.notes),
    )


def _step(result: DynamicsResult, t: int) -> str:
    step = result.steps[t]
    return result.names[t] if step is None else str(step)


def _layers(result: DynamicsResult) -> str:
    count = len(result.layers)
    return f"{count} layer{'' if count == 1 else 's'}"
