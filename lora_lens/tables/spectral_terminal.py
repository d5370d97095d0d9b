"""Grids over (i, j), amplification and spectra on the terminal."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ..results import Amplification, RankGrid, RankGrids, Spectrum
from . import spectral
from .terminal import _cell, _style, notes, table

_CELL = 4
_MOST_GRIDS = 4  # beyond them the reader chooses


def rank_grids(result: RankGrids, console: Console) -> RenderableType:
    """Grids on shaded cells where they are few, and their corners beside chance."""
    shown = len(result) <= _MOST_GRIDS
    parts: list[RenderableType] = [
        Text(spectral.grids_title(result), style="bold"),
        Text(_names(result), style="dim"),
    ]
    if shown:
        grids = Columns([ij_grid(grid, console) for grid in result], padding=(1, 3))
        parts.append(Padding(grids, (1, 0, 0, 0)))
    parts += [
        table(spectral.grids_summary(result)),
        Text("by chance: unrelated subspaces, max(i, j)/d; z: deviations above it", style="dim"),
        *notes(result.notes),
    ]
    if not shown:
        hint = "a layer's grids in full: --layer N; one matrix alone: --matrix"
        parts.append(Text(hint, style="dim"))
    return Group(*parts)


def _names(result: RankGrids) -> str:
    if result.between == "w0-delta":
        return f"W0:     {result.one}\nΔW of:  {result.other}"
    return f"first:  {result.one}\nsecond: {result.other}"


def ij_grid(grid: RankGrid, console: Console) -> RenderableType:
    """One layer's grid, rows i and columns j."""
    rows, columns = (spectral.ticks(count) for count in grid.shape)
    text = Text(f"{spectral.kind_label(grid.matrix, grid.side)}, layer {grid.layer}", style="bold")
    text.append(f"\ni\\j {''.join(f'{j:>4}' for j in columns)}", style="not bold dim")
    for i in rows:
        text.append(f"\n{i:>3} ", style="not bold dim")
        for j in columns:
            value = float(grid.values[i - 1, j - 1])
            text.append(_cell(value, _CELL, console), style="not bold " + _style(value, console))
    return text


def amplification(result: Amplification, _: Console) -> RenderableType:
    """Table 7's form."""
    return Group(
        Text(f"Amplification of W0's directions by ΔW, {result.module}", style="bold"),
        Text(f"adapter {result.adapter} on {result.base}", style="dim"),
        table(spectral.amplification_table(result)),
        Text(
            "in ΔW's, W0's, random: U and V the top r singular vectors of ΔW, of W0 itself, and random ones\n"
            "z: deviations of its square in ΔW's directions from random ones\n"
            "amplification: ‖ΔW‖_F / ‖UᵀW0V‖_F in ΔW's directions",
            style="dim",
        ),
        *notes(result.notes),
    )


def spectrum(result: Spectrum, _: Console) -> RenderableType:
    """ΔW alone, ΔW beside W0, intruder dimensions; the suggestion in one line."""
    base = f" on {result.base}" if result.base else ""
    parts: list[RenderableType] = [
        Text(f"Spectra of {result.adapter}{base}", style="bold"),
        table(spectral.spectrum_table(result)),
        Text(
            "above random: singular values larger than a random product of this rank, size and norm has",
            style="dim",
        ),
    ]
    if result.base:
        parts += [
            table(spectral.beside_table(result)),
            Text(
                "edge: where the singular values of a random matrix of W0's size and norm end",
                style="dim",
            ),
            table(spectral.intruder_table(result)),
            Text(
                "counted: largest |cosine| with any of W0's left singular vectors below ε; first's: of the first one",
                style="dim",
            ),
            table(spectral.intruder_totals(result)),
        ]
    parts += [*notes(result.notes), Text("")]
    parts.append(Text(spectral.suggestion_line(result.suggestion), style="bold"))
    return Group(*parts)
