"""A result's files: figures as PNG and SVG, tidy CSV, JSON, and Markdown and LaTeX tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from . import plots
from .results import MatrixResult, RankGrids, Spectrum, TaskScores
from .tables import (
    Kind,
    amplification,
    comparison,
    dynamics,
    inventory,
    matrix,
    rank_grids,
    shared,
    similarity,
    spectrum,
)
from .tables.files import as_csv, as_json, as_latex, as_markdown
from .tables.layout import Table


def _rows(result: Any) -> str:
    return as_csv(result.rows())


def _nothing(_: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class _Files:
    """What is written of a kind of result.

    Attributes:
        stem: Name of the files, but for their endings.
        tables: In Markdown and LaTeX.
        figure: As PNG and SVG.
        csv: Text of the CSV.
        more_figures: Further figures, by what follows the stem.
        more_texts: Further texts, by what follows the stem.
    """

    stem: Callable[[Any], str]
    tables: Callable[[Any], list[Table]]
    figure: Callable[[Any], Figure]
    csv: Callable[[Any], str] = _rows
    more_figures: Callable[[Any], Mapping[str, Figure]] = _nothing
    more_texts: Callable[[Any], Mapping[str, str]] = _nothing


def _of_module(stem: str) -> Callable[[Any], str]:
    return lambda result: f"{stem}-{result.module}"


def _grid_stem(result: RankGrids) -> str:
    w0 = "w0-" if result.between == "w0-delta" else ""
    return f"grid-{w0}{result.module}"


def _pairs(result: MatrixResult) -> str:
    # Millions of pairs as Python rows would not fit where the arrays do.
    return result.to_frame().to_csv(index=False, lineterminator="\n")


def _angles(result: RankGrids) -> dict[str, str]:
    return {"-angles.csv": as_csv(result.angles())}


def _intruder_figures(result: Spectrum) -> dict[str, Figure]:
    return {"-intruders": plots.intruder_figure(result)} if result.base else {}


def _spectrum_texts(result: Spectrum) -> dict[str, str]:
    texts = {
        "-rank-pattern.txt": result.suggestion.snippet(),
        "-singular-values.csv": as_csv(result.singular_values()),
    }
    return texts | ({"-intruders.csv": as_csv(result.intruders())} if result.base else {})


_KINDS: Mapping[Kind, _Files] = {
    "amplification": _Files(
        _of_module("amplification"), amplification.tables, plots.amplification_figure
    ),
    "comparison": _Files(_of_module("compare"), comparison.tables, plots.comparison_figure),
    "dynamics": _Files(_of_module("dynamics"), dynamics.tables, plots.dynamics_figure),
    "inventory": _Files(lambda _: "inspect", inventory.tables, plots.inventory_figure),
    "matrix": _Files(_of_module("matrix"), matrix.tables, plots.matrix_figure, csv=_pairs),
    "rank_grids": _Files(
        _grid_stem, rank_grids.tables, plots.rank_grids_figure, more_texts=_angles
    ),
    "shared": _Files(_of_module("shared"), shared.tables, plots.shared_figure),
    "similarity": _Files(_of_module("similarity"), similarity.tables, plots.similarity_figure),
    "spectrum": _Files(
        lambda _: "spectrum",
        spectrum.tables,
        plots.spectrum_figure,
        more_figures=_intruder_figures,
        more_texts=_spectrum_texts,
    ),
}


def write(kind: Kind, result: Any, folder: Path, prefix: str = "") -> list[str]:
    """Write a result in every form, as ``PREFIXSTEM.*``; the names of the files."""
    files = _KINDS[kind]
    stem = re.sub(r"[^\w.-]", "_", prefix + files.stem(result))
    tables = files.tables(result)
    texts = {
        ".csv": files.csv(result),
        ".json": as_json(result.to_dict()),
        ".md": as_markdown(tables),
        ".tex": as_latex(tables),
    }
    written = _write_texts(stem, texts, folder)
    for suffix, figure in {"": files.figure(result), **files.more_figures(result)}.items():
        written += _write_figure(stem + suffix, figure, folder)
    return written + _write_texts(stem, files.more_texts(result), folder)


def write_scores(tasks: Sequence[TaskScores], folder: Path) -> list[str]:
    """Write ``scores`` and ``curves`` as ``.png`` and ``.svg``; the names of the files."""
    scores = _write_figure("scores", plots.scores_figure(tasks), folder)
    return scores + _write_figure("curves", plots.curves_figure(tasks), folder)


def _write_texts(stem: str, texts: Mapping[str, str], folder: Path) -> list[str]:
    for suffix, text in texts.items():
        (folder / (stem + suffix)).write_text(text, encoding="utf-8")
    return [stem + suffix for suffix in texts]


def _write_figure(stem: str, figure: Figure, folder: Path) -> list[str]:
    for ending in (".png", ".svg"):
        # A fixed salt and no date make the same result the same file.
        with rc_context({"svg.hashsalt": stem}):
            figure.savefig(
                folder / (stem + ending),
                dpi=160,
                metadata={"Date": None} if ending == ".svg" else None,
            )
    return [stem + ending for ending in (".png", ".svg")]
