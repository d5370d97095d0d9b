"""The experiment's page, tables and figures, written of what is done of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...files.peft_names import CONFIG
from ...questions.comparison.figures import comparison_sheet
from ...questions.similarity.figures import similarity_sheet
from ...show.drawing.with_matplotlib import sheet
from ...show.figure import Sheet
from ...show.files import write_figures
from ...show.paper import PLAIN, Paper
from ...show.text import as_csv, as_latex, as_markdown
from ...staging import staged
from ..experiment.config import Config
from ..numbers.analysis_records import Record
from ..numbers.figure1 import recorded
from ..numbers.table3 import recorded_comparison
from ..runs import analysis
from ..runs.collect import Found, collect
from ..runs.steps import PAGE_NAME, analysed_runs
from .figures import curves_sheet, scores_sheet
from .page import results_page
from .profile_figures import profile_sheet
from .tables.every import Rows, tables_of

# Figures; without their analysis they may be of others.
_OF_ADAPTERS = ("figure1-", "table3-compare-")


def write_results(
    config: Config,
    out: Path,
    paper: Paper = PLAIN,
    *,
    margin_given: bool = False,
    from_records: bool = False,
) -> dict[str, Rows]:
    """Write ``results.md``, ``tables/`` (Markdown, LaTeX, CSV) and ``figures/``; every table's rows.

    `paper` says how wide the figures are, and in which style; `margin_given` that the margin of equivalence was given beside
    the configuration, which the page's command has then. Figure 1 and Table 3 are drawn of the adapters, with their
    base model; `from_records` draws them of what is written down.
    Tasks that are not finished are left out, and so are tables for which nothing is there yet.
    """
    found = collect(config, out, from_records=from_records)
    tables = tables_of(config, found)
    with staged(out / "tables") as folder:
        for name, (table, rows) in tables.items():
            for ending, text in (
                (".md", as_markdown([table])),
                (".tex", as_latex([table], name)),
                (".csv", as_csv(rows)),
            ):
                (folder / (name + ending)).write_text(text, encoding="utf-8")
    _draw(config, found, out, paper)
    if from_records:
        _draw_analyses_again(config, found, out, paper)
    else:
        _draw_analyses(config, found, out, paper)
    analysed = _figure_task(config) in found.analyses
    figures = [
        path.name
        for path in (out / "figures").glob("*.png")
        if analysed or not path.name.startswith(_OF_ADAPTERS)
    ]
    shown = {name: table for name, (table, _) in tables.items()}
    page = results_page(config, found, shown, figures, margin_given=margin_given)
    with staged(out) as folder:
        (folder / PAGE_NAME).write_text(page, encoding="utf-8")
    return {name: rows for name, (_, rows) in tables.items()}


def _draw(config: Config, found: Found, out: Path, paper: Paper) -> None:
    figures: dict[str, Sheet] = {}
    if found.scores:
        figures = {"scores": scores_sheet(found.scores), "curves": curves_sheet(found.scores)}
    if found.analyses and "condlora" in config.methods:
        figures |= {
            f"table3-profile-{module}": profile_sheet(found.analyses, module)
            for module in config.analysis.modules
        }
    if figures:
        with paper.settings():
            drawn = {name: sheet(one, width=paper.width) for name, one in figures.items()}
        with staged(out / "figures") as folder:
            write_figures(drawn, folder, (".png", ".svg"), paper)


def _figure_task(config: Config) -> str:
    """The task that the configuration names, else its first."""
    return config.analysis.figure_task or next(iter(config.tasks))


def _draw_analyses_again(config: Config, found: Found, out: Path, paper: Paper) -> None:
    records = found.analyses.get(_figure_task(config))
    if records:
        sheets = dict(_sheets_of(next(iter(records.values()))))
        with paper.settings():
            drawn = {name: sheet(one, width=paper.width) for name, one in sheets.items()}
        with staged(out / "figures") as folder:
            write_figures(drawn, folder, (".png",), paper)


def _sheets_of(record: Record) -> Iterator[tuple[str, Sheet]]:
    """Figure 1 and Table 3 of every module of one seed."""
    for one in record.values():
        alike = recorded(one["similarity"])
        yield f"figure1-{alike.stem}", similarity_sheet(alike)
        if "comparison" in one:
            compared = recorded_comparison(one["comparison"])
            yield f"table3-{compared.stem}", comparison_sheet(compared)


def _draw_analyses(config: Config, found: Found, out: Path, paper: Paper) -> None:
    # If its adapters are there.
    task = _figure_task(config)
    folders: dict[str, Path] = {
        run.of_method: run.folder for run in analysed_runs(config, out, task, config.seeds[0])
    }
    if task in found.analyses and all((folder / CONFIG).exists() for folder in folders.values()):
        analysis.write_figures(folders, config.base, config.analysis, out / "figures", paper)
