"""The experiment's page, tables and figures, written of what is done of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...files.peft_names import WEIGHTS
from ...questions.comparison.figures import comparison_sheet
from ...questions.similarity.figures import similarity_sheet
from ...show.csv_text import as_csv
from ...show.drawing.with_matplotlib import sheet
from ...show.figure import Sheet
from ...show.files import write_figures
from ...show.paper import PLAIN, Paper
from ...show.text import as_latex, as_markdown
from ...staging import remove_too, staged
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
from .written import (
    DRAWN,
    TABLE_ENDINGS,
    drawn_analysis,
    figure_files,
    figure_task,
    figures_of,
    table_files,
)


def write_results(
    config: Config,
    out: Path,
    paper: Paper = PLAIN,
    *,
    margin_given: bool = False,
    from_records: bool = False,
    removed: dict[Path, list[str]] | None = None,
) -> dict[str, Rows]:
    """Write ``results.md``, ``tables/`` (Markdown, LaTeX, CSV) and ``figures/``; every table's rows.

    `paper` says how wide the figures are, and in which style; `margin_given` that the margin of equivalence was given beside
    the configuration, which the page's command has then. Figure 1 and Table 3 are drawn of the adapters, with their
    base model; `from_records`, or where these are not there, of what is written down.
    Tasks that are not finished are left out, and so are tables for which nothing is there yet. Tables and figures that
    an earlier call wrote, of what is there no more, are removed; `removed` is given their names, by folder.
    """
    found = collect(config, out, from_records=from_records)
    tables = tables_of(config, found)
    of_tables, of_figures = list[str](), list[str]()
    with staged(out / "tables", removed=of_tables) as folder:
        for name, (table, rows) in tables.items():
            texts = as_markdown([table]), as_latex([table], name), as_csv(rows)
            for ending, text in zip(TABLE_ENDINGS, texts, strict=True):
                (folder / (name + ending)).write_text(text, encoding="utf-8")
        remove_too(folder, table_files(config))
    true = figures_of(config, found, out)
    with staged(out / "figures", removed=of_figures) as folder:
        remove_too(folder, set(figure_files(config)) - set(true))
    _draw(config, found, out, paper)
    if from_records:
        _draw_analyses_again(config, found, out, paper)
    else:
        _draw_analyses(config, found, out, paper)
    if removed is not None:
        gone = [name for name in of_figures if not (out / "figures" / name).exists()]
        removed |= {out / "tables": of_tables, out / "figures": gone}
    figures = [name for name in true if (out / "figures" / name).exists()]
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
            write_figures(drawn, folder, DRAWN, paper)


def _draw_analyses_again(config: Config, found: Found, out: Path, paper: Paper) -> None:
    if one := drawn_analysis(config, found):
        sheets = dict(_sheets_of(one[1], compared="condlora" in config.methods))
        with paper.settings():
            drawn = {name: sheet(one, width=paper.width) for name, one in sheets.items()}
        with staged(out / "figures") as folder:
            write_figures(drawn, folder, (".png",), paper)


def _sheets_of(record: Record, *, compared: bool) -> Iterator[tuple[str, Sheet]]:
    """Figure 1 and Table 3 of every module of one seed."""
    for one in record.values():
        alike = recorded(one["similarity"])
        yield f"figure1-{alike.stem}", similarity_sheet(alike)
        if compared and "comparison" in one:
            both = recorded_comparison(one["comparison"])
            yield f"table3-{both.stem}", comparison_sheet(both)


def _draw_analyses(config: Config, found: Found, out: Path, paper: Paper) -> None:
    one = drawn_analysis(config, found)
    if one is None:
        return
    runs = analysed_runs(config, out, figure_task(config), one[0])
    folders: dict[str, Path] = {run.of_method: run.folder for run in runs}
    if all((folder / WEIGHTS).exists() for folder in folders.values()):
        analysis.write_figures(folders, config.base, config.analysis, out / "figures", paper)
    else:
        _draw_analyses_again(config, found, out, paper)
