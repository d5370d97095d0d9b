"""The experiment's tables and figures, from what is done of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..show.files import write_figures
from ..show.layout import Table
from ..show.text import as_csv, as_latex, as_markdown
from ..staging import staged
from . import analysis, table4
from .collect import longer_runs, row_differences, task_scores
from .config import Config
from .conversions import conversion_rows, conversion_table
from .equivalence_words import equivalence_rows, equivalence_table
from .longer import longer_table
from .plots import curves_figure, scores_figure
from .steps import plan, run_folder
from .table2 import score_table
from .table3 import comparison_rows, comparison_table

_Rows = Sequence[Mapping[str, Any]]


def write_report(config: Config, out: Path) -> dict[str, _Rows]:
    """Write ``tables/`` (Markdown, LaTeX, CSV) and ``figures/``; the rows of every table's CSV.

    Tasks that are not finished are left out, and so are tables for which nothing is there yet.
    """
    tables: dict[str, tuple[Table, _Rows]] = {}
    scores = task_scores(config, out)
    if scores:
        by_seed = [row for task in scores for row in task.rows()]
        differences, margin = row_differences(config, out), config.equivalence.margin
        tables["table2"] = (score_table(scores, config.base, differences, margin), by_seed)
        if any(differences.values()):
            tables["equivalence"] = (
                equivalence_table(differences, margin),
                equivalence_rows(differences, margin),
            )
    longer = longer_runs(config, out)
    if longer:
        tables["longer"] = (longer_table(longer), [one.row() for one in longer])
    analyses = _analyses(config, out)
    for module in config.analysis.modules if analyses else ():
        tables[f"conversions-{module}"] = (
            conversion_table(analyses, module),
            conversion_rows(analyses, module),
        )
        if "condlora" in config.methods:
            tables[f"table3-{module}"] = (
                comparison_table(analyses, module),
                comparison_rows(analyses, module),
            )
    if (out / table4.RECORD_NAME).exists():
        speed = table4.read_speed(out)
        methods = [{"method": name} | found for name, found in speed["methods"].items()]
        tables["table4"] = (table4.speed_table(speed, config.base), methods)
    with staged(out / "tables") as folder:
        for name, (table, rows) in tables.items():
            for ending, text in (
                (".md", as_markdown([table])),
                (".tex", as_latex([table])),
                (".csv", as_csv(rows)),
            ):
                (folder / (name + ending)).write_text(text, encoding="utf-8")
    if scores:
        with staged(out / "figures") as folder:
            write_figures(
                {"scores": scores_figure(scores), "curves": curves_figure(scores)}, folder
            )
    _figures(config, out, analyses)
    return {name: rows for name, (_, rows) in tables.items()}


def _analyses(config: Config, out: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for step in plan(config, out):
        if step.kind == "analysis" and step.done:
            found.setdefault(step.task, []).append(analysis.read_analysis(step.folder))
    return found


def _figures(config: Config, out: Path, analyses: Mapping[str, Any]) -> None:
    """Figure 1, of the task that the configuration names (else the first), if its adapters are there."""
    task = config.analysis.figure_task or next(iter(config.tasks))
    methods: tuple[str, ...] = config.methods
    folders = {method: run_folder(out, task, method, config.seeds[0]) for method in methods}
    if task in analyses and all(
        (folder / "adapter_config.json").exists() for folder in folders.values()
    ):
        analysis.write_figures(folders, config.base, config.analysis, out / "figures")
