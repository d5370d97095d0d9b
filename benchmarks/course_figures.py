"""The figures of what layers share on all-mpnet-base-v2, from the record that course.py left: python benchmarks/course_figures.py.

docs/figures/shared.png: what θ of the other layers predicts of a layer, beside flips of the same factors; course.png: the same over a
run's checkpoints; carried.png: what θ of one adapter predicts of another's layers, less what flips give.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from course import beyond
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from lora_lens.show.style import colour, colours

DOCS = Path(__file__).parents[1] / "docs"
NAMES = {"q": "query", "v": "value"}
TASKS = ("STS-B", "MRPC", "CoLA")
# Two runs of one seed and schedule: the first was ended after three epochs.
RUNS = {
    "in float32, ended after three epochs": {"untrained": 0}
    | {f"{epochs} of 12 epochs (float32)": epochs for epochs in (1, 2, 3)},
    "in bfloat16": {f"{epochs} of 12 epochs": epochs for epochs in (4, 6, 8, 11)},
}
LORA, CONDLORA = (
    tuple(f"{task} {method} {seed}" for task in TASKS for seed in (0, 1))
    for method in ("LoRA", "CondLoRA")
)
ADAPTERS = ("untrained", *LORA)
TRAINED = (*LORA, *CONDLORA)


def main() -> None:
    """Draw all three."""
    record = json.loads((DOCS / "results" / "mpnet-course.json").read_text(encoding="utf-8"))
    for draw in (shared, course, carried):
        draw(record).savefig(DOCS / "figures" / f"{draw.__name__}.png", dpi=200)


def shared(record: dict[str, Any]) -> Figure:
    """A row an adapter, a panel a factor: the share, and flips' mean ± 2 deviations."""
    figure = _by_factor(record, (7, 4.6), _shares)
    for panel in figure.axes[-2:]:
        panel.set_xlabel("% of a layer's directions that the other layers predict", fontsize=8)
    _legend(
        figure,
        _dot(filled=True, label="more than chance (p ≤ .05, Holm over A and B)"),
        _dot(filled=False, label="no more than chance"),
    )
    return figure


def _legend(figure: Figure, *drawn: Line2D | tuple[Line2D, ...], columns: int = 3) -> None:
    """Below the panels: what is drawn, marks of one meaning beside each other, and the band."""
    handles = [*drawn, Patch(color="0.82", label="by chance: flips, ± 2 deviations")]
    figure.legend(
        handles,
        [(one[0] if isinstance(one, tuple) else one).get_label() for one in handles],
        loc="outside lower center",
        ncols=columns,
        fontsize=7.5,
        frameon=False,
        handletextpad=0.4,
        handler_map={tuple: HandlerTuple(None, 0.3)},
    )


def _by_factor(
    record: dict[str, Any],
    size: tuple[float, float],
    draw: Callable[[Axes, dict[str, Any], str, str], None],
) -> Figure:
    """Two rows of modules, two columns of factors."""
    figure, axes = plt.subplots(2, 2, figsize=size, sharex=True, sharey=True, layout="constrained")
    for across, module in zip(axes, NAMES, strict=True):
        for panel, matrix in zip(across, "AB", strict=True):
            draw(panel, record, module, matrix)
            panel.set_title(f"{matrix} of {NAMES[module]}", loc="left", fontsize=9)
    return figure


def _dot(*, filled: bool, label: str, marker: str = "o") -> Line2D:
    face = colour(3) if filled else "white"
    return Line2D([], [], ls="", marker=marker, ms=6, mfc=face, mec=colour(3), label=label)


def _shares(panel: Axes, record: dict[str, Any], module: str, matrix: str) -> None:
    for row, name in enumerate(ADAPTERS):
        one = record["shares"][name][module][matrix]
        low, width = 100 * (one["flips"] - 2 * one["sd"]), 400 * one["sd"]
        panel.add_patch(Rectangle((low, row - 0.26), width, 0.52, color="0.82", lw=0))
        face = colour(3) if beyond(record["shares"][name][module], matrix) else "white"
        panel.plot(100 * one["share"], row, "o", ms=6, mfc=face, mec=colour(3))
    panel.set_yticks(range(len(ADAPTERS)), [_said(name) for name in ADAPTERS], fontsize=8)
    panel.set(ylim=(len(ADAPTERS) - 0.5, -0.5), xlim=(0, 3.5))
    panel.tick_params(axis="x", labelsize=8)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def _said(name: str) -> str:
    task, _, seed = name.partition(" LoRA ")
    return f"{task}, seed {seed}" if seed else task


def course(record: dict[str, Any]) -> Figure:
    """A panel a factor: the share at each checkpoint that was kept, in flips' band."""
    figure, axes = plt.subplots(
        1, 4, figsize=(7, 2.2), sharex=True, sharey=True, layout="constrained"
    )
    factors = [(module, matrix) for module in NAMES for matrix in "AB"]
    for panel, (module, matrix) in zip(axes, factors, strict=True):
        for epochs, marker in zip(RUNS.values(), "so", strict=True):
            told = [record["shares"][name][module][matrix] for name in epochs]
            share, flips, sd = (
                np.array([one[key] for one in told]) * 100 for key in ("share", "flips", "sd")
            )
            at = list(epochs.values())
            panel.fill_between(at, flips - 2 * sd, flips + 2 * sd, color="0.82", lw=0)
            panel.plot(at, share, color=colour(3), lw=1)
            for x, y, name in zip(at, share, epochs, strict=True):
                seen = beyond(record["shares"][name][module], matrix)
                panel.plot(x, y, marker=marker, ms=4.5, mec=colour(3), mfc=_face(seen))
        panel.set_title(f"{matrix} of {NAMES[module]}", loc="left", fontsize=9)
        panel.set_xlabel("epoch", fontsize=8)
        panel.set(ylim=(0, 3.5), xlim=(-0.6, 12.5), xticks=(0, 4, 8, 12))
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("% predicted", fontsize=8)
    runs = (
        Line2D([], [], marker=marker, ms=4.5, color=colour(3), lw=1, label=run)
        for run, marker in zip(RUNS, "so", strict=True)
    )
    hollow = tuple(_dot(filled=False, label="no more than chance", marker=one) for one in "so")
    _legend(figure, *runs, hollow, columns=2)
    return figure


def _face(seen: bool) -> Any:
    return colour(3) if seen else "white"


def carried(record: dict[str, Any]) -> Figure:
    """A panel a factor: θ of the row's adapter asked of the column's, in % above flips; a dot where it is no more than chance."""
    figure = _by_factor(record, (9, 8.4), _carried)
    figure.supxlabel(
        "asked of the layers of\n\n% beyond flips, coloured by its square root; a dot: no more than flips (p > .05, Holm over "
        "A and B); 100: by construction",
        fontsize=7.5,
    )
    figure.supylabel("θ of", fontsize=8.5)
    return figure


def _carried(panel: Axes, record: dict[str, Any], module: str, matrix: str) -> None:
    excess = np.full((len(TRAINED), len(TRAINED)), np.nan)
    for row, one in enumerate(TRAINED):
        for column, other in enumerate(TRAINED):
            if one == other and "Cond" in one:
                panel.text(column, row, "100", ha="center", va="center", fontsize=6.5, color="0.5")
                continue  # all of it, as it is built
            rows = record["shares"][one] if one == other else record["carried"][f"{one}:{other}"]
            told = rows[module][matrix]
            above = 100 * (told["share"] - told["flips"])
            seen = beyond(rows[module], matrix)
            excess[row, column] = above if seen else np.nan
            dark = above > 4
            text = f"{above:.1f}" if abs(above) < 9.95 else f"{above:.0f}"
            panel.text(
                column,
                row,
                text if seen else "·",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if dark else "0.1",
            )
    panel.set_facecolor("0.95")  # where nothing was seen
    panel.imshow(np.sqrt(np.clip(excess, 0, 25) / 25), cmap=colours(), vmin=0, vmax=1.15)
    names = [name.replace(" 0", ", 0").replace(" 1", ", 1") for name in TRAINED]
    panel.set_xticks(range(len(TRAINED)), names, rotation=90, fontsize=7)
    panel.set_yticks(range(len(TRAINED)), names, fontsize=7)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    for at in np.arange(1.5, len(TRAINED) - 1, 2):  # tasks, and the methods' halves
        wide = 2 if at == len(LORA) - 0.5 else 1
        panel.axhline(at, color="white", lw=wide)
        panel.axvline(at, color="white", lw=wide)


if __name__ == "__main__":
    main()
