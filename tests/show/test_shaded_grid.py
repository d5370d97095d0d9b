"""Layers beside layers on the terminal, where numbers do not fit."""

from io import StringIO

import numpy as np
from rich.console import Console

from lora_lens.show.console import shaded_grid


def shown(values: np.ndarray, width: int, *, colour: bool = False) -> list[str]:
    """The lines that are printed."""
    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None
    )
    layers = range(len(values))
    console.print(shaded_grid("A", layers, layers, values, console, narrower=(2, 1)))
    return out.getvalue().splitlines()


def alike(count: int = 32) -> np.ndarray:
    """φ of layers that are nearly orthogonal, but for one pair."""
    values = np.full((count, count), 0.03)
    values[1, 4] = values[4, 1] = 0.1
    np.fill_diagonal(values, 1.0)
    return values


def test_shades_show_what_is_off_the_diagonal() -> None:
    head, *rows = shown(alike(), 80)
    assert head == "A  darkest: 0.1, the highest off the diagonal"
    assert rows[1] == "  1 " + "░░· ░░░░██" + "░░" * 27
    assert sum(row.count("█") for row in rows) == 4  # two cells of two
    assert all(row[4 + 2 * k :].startswith("· ") for k, row in enumerate(rows))


def test_colours_show_it_too() -> None:
    rows = shown(alike(), 80, colour=True)[1:]
    darkest = "48;2;8;48;107m"
    assert [k for k, row in enumerate(rows) if darkest in row] == [1, 4]


def test_numbers_that_fit_stay_numbers() -> None:
    head, _, *rows = shown(alike(6), 80)
    assert head == "A"
    assert rows[1] == "  1  .03 1.0 .03 .03 .10 .03"


def test_layers_that_are_all_orthogonal_are_pale() -> None:
    head, *rows = shown(np.eye(40), 80)
    assert head.startswith("A  darkest: 0, ")
    assert not set("".join(rows)) & set("░▒▓█")
