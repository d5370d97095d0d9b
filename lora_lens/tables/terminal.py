"""Results on the terminal: shaded grids and tables by rich."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ..results import ComparisonResult, Inventory, LayerGrid, SharedResult, SimilarityResult
from . import layout
from .shared import shared_by_layer, shared_legend, shared_summary, shared_title
from .shared_sentence import shared_sentence

# φ from 0 to 1, pale to dark: lightness falls evenly, so it reads in grey and by colour-blind eyes.
_SHADES = ((247, 251, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107))
_BLOCKS = " ░▒▓█"
_LABEL_WIDTH = 4


def similarity(result: SimilarityResult, console: Console) -> RenderableType:
    """Grids side by side where they fit, then the means beside the baselines and the conditioning."""
    grids = Columns([grid(g, console) for g in result.values()], padding=(1, 3))
    return Group(
        Text(layout.similarity_title(result), style="bold"),
        Text(f"{result.method} adapter {result.adapter} on {result.base}", style="dim"),
        Padding(grids, (1, 0, 0, 0)),
        table(layout.similarity_summary(result)),
        Text(layout.highest_pairs(result)),
        *(Text(line, style="dim") for line in layout.null_legend(result)),
        Text(""),
        Text(_conditioning(result), style="dim"),
        *notes(result.notes),
    )


def _conditioning(result: SimilarityResult) -> str:
    numbers = ", ".join(
        f"{layer}: {layout.compact(number)}"
        for layer, number in zip(result.layers, result.condition_number, strict=True)
    )
    return f"condition number of W0 by layer: {numbers}"


def comparison(result: ComparisonResult, _: Console) -> RenderableType:
    """Table 3's form."""
    return Group(
        table(layout.comparison_table(result)),
        table(layout.comparison_tests(result)),
        Text(layout.comparison_legend(), style="dim"),
        Text(f"one:   {result.one}\nother: {result.other}", style="dim"),
        *notes(result.notes),
    )


def inventory(result: Inventory, _: Console) -> RenderableType:
    """What is in an adapter, and what was left out."""
    convention = f", convention {result.convention}" if result.convention else ""
    head = (
        f"{result.method} adapter {result.adapter}{convention}\n"
        f"base {result.base or 'not named'}, {result.trainable_parameters:,} trainable parameters "
        f"in its low-rank part"
    )
    parts: list[RenderableType] = [Text(head, style="bold"), table(layout.inventory_table(result))]
    if result.left_out:
        parts.append(table(layout.left_out_table(result), wide=True))
    return Group(*parts)


def shared(result: SharedResult, _: Console) -> RenderableType:
    """What one shared layer captures: the sentence, the means beside the nulls, and by layer."""
    return Group(
        Text(shared_title(result), style="bold"),
        Text(f"{result.method} adapter {result.adapter} on {result.base}", style="dim"),
        Text(f"\n{shared_sentence(result)}"),
        table(shared_summary(result)),
        *(table(shared_by_layer(one)) for one in result.values()),
        *(Text(line, style="dim") for line in ["", *shared_legend(result)]),
        *notes(result.notes),
    )


def grid(values: LayerGrid, console: Console) -> RenderableType:
    """One layer×layer grid: values on shaded cells, or shades alone where many layers must fit."""
    width = next((w for w in (4, 2) if _LABEL_WIDTH + w * len(values.layers) <= console.width), 1)
    text = Text(layout.LABELS[values.matrix], style="bold")
    if width == 4:
        heads = "".join(f"{layer:>4}" for layer in values.layers)
        text.append("\n" + " " * _LABEL_WIDTH + heads, style="not bold dim")
    for layer, row in zip(values.layers, values.values, strict=True):
        text.append(f"\n{layer:>3} ", style="not bold dim")
        for value in row:
            text.append(
                _cell(float(value), width, console),
                style="not bold " + _style(float(value), console),
            )
    return text


def _cell(value: float, width: int, console: Console) -> str:
    if width == 4:
        return " 1.0" if value >= 0.995 else f" {value:.2f}".replace("0.", ".", 1).rjust(4)
    if console.color_system:
        return " " * width
    return _BLOCKS[min(4, int(value * 5))] * width


def _style(value: float, console: Console) -> str:
    if not console.color_system:
        return ""
    position = min(max(value, 0.0), 1.0) * (len(_SHADES) - 1)
    low = min(int(position), len(_SHADES) - 2)
    part = position - low
    red, green, blue = (
        round(a + (b - a) * part) for a, b in zip(_SHADES[low], _SHADES[low + 1], strict=True)
    )
    ink = "black" if np.dot((red, green, blue), (0.299, 0.587, 0.114)) > 128 else "white"
    return f"{ink} on rgb({red},{green},{blue})"


def table(content: layout.Table, *, wide: bool = False) -> RenderableType:
    """A table of text under its title; numbers to the right unless it is prose."""
    shown = RichTable(box=None, pad_edge=False, header_style="dim")
    for position, head in enumerate(content.head):
        left = wide or position == 0 or head == "null"
        shown.add_column(head, justify="left" if left else "right", overflow="fold")
    for row in content.rows:
        shown.add_row(*map(Text, row))
    return Padding(Group(Text(content.title, style="bold"), shown), (1, 0, 0, 0))


def notes(lines: Iterable[str]) -> Iterator[RenderableType]:
    """Notes, a line each."""
    return (Text(f"note: {line}", style="yellow") for line in lines)
