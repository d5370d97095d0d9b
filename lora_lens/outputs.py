"""A result's files: figures as PNG and SVG, tidy CSV, JSON, and Markdown and LaTeX tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from . import plots
from .results import (
    ComparisonResult,
    DynamicsResult,
    Inventory,
    MatrixResult,
    SharedResult,
    SimilarityResult,
    TaskScores,
)
from .tables import dynamics, layout, matrix
from .tables import shared as shared_tables
from .tables.files import as_csv, as_json, as_latex, as_markdown
from .tables.layout import Table


def write_similarity(result: SimilarityResult, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXsimilarity-MODULE.*``; the names of the files."""
    summary = layout.similarity_summary(result)
    what = f"{layout.similarity_title(result)}; {result.adapter} on {result.base}"
    tables = [
        summary._replace(title=f"{what}. {summary.title}"),
        *map(layout.grid_table, result.values()),
        layout.condition_table(result),
    ]
    return _write(
        f"{prefix}similarity-{result.module}",
        result,
        tables,
        plots.similarity_figure(result),
        folder,
    )


def write_comparison(result: ComparisonResult, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXcompare-MODULE.*``; the names of the files."""
    tables = [layout.comparison_table(result), layout.comparison_tests(result)]
    return _write(
        f"{prefix}compare-{result.module}", result, tables, plots.comparison_figure(result), folder
    )


def write_dynamics(result: DynamicsResult, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXdynamics-MODULE.*``; the names of the files."""
    tables = [
        dynamics.similarity_table(result, "end"),
        dynamics.similarity_table(result, "start"),
        dynamics.size_table(result),
        dynamics.layer_table(result),
    ]
    figure = plots.dynamics_figure(result)
    return _write(f"{prefix}dynamics-{result.module}", result, tables, figure, folder)


def write_matrix(result: MatrixResult, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXmatrix-MODULE.*``; the names of the files. The CSV has a row a pair of adapters."""
    tables = [matrix.pair_table(result), matrix.cluster_table(result)]
    if len(result) <= matrix.MOST_IN_GRID:
        tables.insert(0, matrix.grid_table(result))
    else:
        tables[0] = tables[0]._replace(title=f"{matrix.matrix_title(result)}. {tables[0].title}")
    figure = plots.matrix_figure(result)
    # Millions of pairs as Python rows would not fit where the arrays do.
    csv = result.to_frame().to_csv(index=False, lineterminator="\n")
    return _write(f"{prefix}matrix-{result.module}", result, tables, figure, folder, csv=csv)


def write_inventory(result: Inventory, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXinspect.*``; the names of the files."""
    tables = [layout.inventory_table(result)]
    if result.left_out:
        tables.append(layout.left_out_table(result))
    return _write(f"{prefix}inspect", result, tables, plots.inventory_figure(result), folder)


def write_shared(result: SharedResult, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXshared-MODULE.*``; the names of the files."""
    summary = shared_tables.shared_summary(result)
    what = f"{shared_tables.shared_title(result)}; {result.adapter} on {result.base}"
    tables = [
        summary._replace(title=f"{what}. {summary.title}"),
        *map(shared_tables.shared_by_layer, result.values()),
    ]
    figure = plots.shared_figure(result)
    return _write(f"{prefix}shared-{result.module}", result, tables, figure, folder)


def write_scores(tasks: Sequence[TaskScores], folder: Path) -> list[str]:
    """Write ``scores.png`` and ``.svg``; the names of the files."""
    return _save("scores", plots.scores_figure(tasks), folder)


def _write(
    stem: str,
    result: Any,
    tables: Sequence[Table],
    figure: Figure,
    folder: Path,
    *,
    csv: str | None = None,
) -> list[str]:
    stem = re.sub(r"[^\w.-]", "_", stem)
    texts = {
        ".csv": as_csv(result.rows()) if csv is None else csv,
        ".json": as_json(result.to_dict()),
        ".md": as_markdown(tables),
        ".tex": as_latex(tables),
    }
    for ending, text in texts.items():
        (folder / (stem + ending)).write_text(text, encoding="utf-8")
    return [*(stem + ending for ending in texts), *_save(stem, figure, folder)]


def _save(stem: str, figure: Figure, folder: Path) -> list[str]:
    for ending in (".png", ".svg"):
        # A fixed salt and no date make the same result the same file.
        with rc_context({"svg.hashsalt": stem}):
            figure.savefig(
                folder / (stem + ending),
                dpi=160,
                metadata={"Date": None} if ending == ".svg" else None,
            )
    return [stem + ending for ending in (".png", ".svg")]
