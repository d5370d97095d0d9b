"""ΔM and ΔD by layer, and their correlations, as text."""

from __future__ import annotations

import math

from ...show.csv_text import as_csv
from ...show.layout import NONE, Table, called, p_value, signed, significant
from .result import Change, MagnitudeAndDirection
from .words import written

SOMETIMES = ("-correlations.csv",)


def tables(result: MagnitudeAndDirection) -> list[Table]:
    """Correlations beside chance, where there are any, and every layer, each with whose it is."""
    whose = f"{called(result.adapter)} on {called(result.base)}"
    found = [layer_table(result), *([correlation_table(result)] if result.together else [])]
    return [one.under(whose) for one in found]


def texts(result: MagnitudeAndDirection) -> dict[str, str]:
    """Layers as CSV, and the correlations, by what follows the files' stem."""
    together = [
        {
            name: ", ".join(value) if name == "modules" else value
            for name, value in row.items()
            if name != "random_middle"
        }
        for row in (one.to_dict() | _ends(one.middle) for one in result.together)
    ]
    found = {".csv": as_csv(result.rows())}
    return found | ({"-correlations.csv": as_csv(together)} if together else {})


def _ends(middle: tuple[float, float]) -> dict[str, float]:
    return {"random_low": middle[0], "random_high": middle[1]}


def legend(result: MagnitudeAndDirection) -> list[str]:
    """What the columns mean."""
    lines = [
        "ΔM: mean over W0's rows (out, in) of |‖w0 + δ‖ − ‖w0‖|; ΔD: of 1 − cos(w0 + δ, w0) (Liu et al. 2024, DoRA)",
    ]
    if result.draws:
        fewer = "".join(f" ({count} of {name})" for name, count in result.fewer.items())
        lines += [
            f"random: the mean of {result.draws} random ΔW{fewer} with the same singular values, in uniform directions on both sides; z: "
            "deviations from it",
            "r: Pearson's correlation of ΔM and ΔD over the layers; by chance: that of those random ΔW; p: the share of them as far off, "
            "on either side, by Fisher's z, not corrected; what is told from them lies in other than uniform directions beside W0's rows, and why is "
            "not asked",
        ]
    return lines


def layer_table(result: MagnitudeAndDirection) -> Table:
    """A row a layer of a module."""
    head = ["module", "layer", "rank", "ΔM", "random", "z", "ΔD", "random", "z"]
    rows = [
        [one.module, str(one.layer), str(one.rank), *_cells(one.magnitude), *_cells(one.direction)]
        for one in result.layers
    ]
    return Table("Magnitude change ΔM and directional change ΔD of W0's rows", head, rows)


def _cells(change: Change) -> list[str]:
    return [significant(change.value), significant(change.mean), signed(change.z, 1)]


def correlation_table(result: MagnitudeAndDirection) -> Table:
    """A row a module, and one of all."""
    head = ["layers of", "layers", "r", "by chance", "95 of 100", "p"]
    rows = [
        [
            one.label, str(one.layers), _r(one.r), _r(one.mean), " to ".join(map(_r, one.middle)) if len(one.drawn) else NONE,
            p_value(one.p),
        ]
        for one in result.together
    ]  # fmt: skip
    return Table("Correlation of ΔM and ΔD over the layers", head, rows)


def _r(value: float) -> str:
    return written(value) if math.isfinite(value) else NONE
