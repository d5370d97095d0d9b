"""`lora-lens reproduce`: the paper's experiment from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal.comma_lists import names
from ..terminal.options import Json, Style, Width
from ..terminal.printing import echo, print_json, say, say_removed, warnings_as_lines
from .training_extra import training_libraries
from .training_options import Cpu

if TYPE_CHECKING:
    from transformers import TrainerCallback

NAME = "reproduce"


class _Watcher:
    """Says every step on standard error, and shows a run's progress."""

    def __call__(self, message: str) -> None:
        say(message)

    def callbacks(self) -> tuple[TrainerCallback, ...]:
        from ..training.progress import ConsoleProgress

        return (ConsoleProgress(),)


def run(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            show_default=False,
            help="A TOML file (docs/experiments.md), or one that comes with lora-lens: paper, mpnet, minilm, adalora, smoke, arms-minilm or arms-mpnet.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", show_default="reproduction/NAME", help="Folder."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DIR", show_default="the configuration's", help="GLUE's TSV files."
        ),
    ] = None,
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks",
            metavar="TASK,TASK,…",
            show_default="all",
            help="Only these: several machines can share an experiment, each with tasks of its own.",
        ),
    ] = "",
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            metavar="METHOD,…",
            show_default="all",
            help="Only these, such as lora, or an arm: two processes can share an experiment.",
        ),
    ] = "",
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="URL", show_default="a SQLite file a search", help="Optuna's."
        ),
    ] = None,
    print_only: Annotated[
        bool,
        typer.Option(
            "--print",
            help="Do no step: print again what the records in --out hold; the extra train is not needed.",
        ),
    ] = False,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="POINTS",
            show_default="the configuration's, or 1",
            help="Within which two methods count as equivalent.",
        ),
    ] = None,
    width: Width = None,
    style: Style = None,
    cpu: Cpu = False,
    as_json: Json = False,
) -> None:
    """Search, train, evaluate, compare and analyse every task and method of a configuration.

    Writes results.md, a page with every table and what it says: Table 2 with its tests, whether more
    epochs would help, Table 3 and Figure 1 with their baselines and Table 4, also as LaTeX, CSV and
    figures, the paper's values beside ours. What is done already is skipped, so after Ctrl-C or a crash
    the same command goes on; what is finished is tabulated. --json prints the rows of every table.

    Example: lora-lens reproduce minilm --data glue/ --out reproduction/minilm
    """
    if not print_only:
        training_libraries()
    from dataclasses import replace

    from ..reproduction.experiment.config_file import read_config
    from ..reproduction.page.results import write_results
    from ..reproduction.runs.collect import check_there
    from ..reproduction.runs.speed_record import RECORD_NAME
    from ..reproduction.runs.steps import PAGE_NAME
    from ..show.paper import paper
    from ..show.wording import listed

    drawn_for = paper(width, style)
    found = read_config(config)
    if data is not None:
        found = replace(found, data=data)
    if margin is not None:
        found = replace(found, equivalence=replace(found.equivalence, margin=margin))
    folder = out or Path("reproduction") / found.name
    chosen: dict[str, Any] = {"tasks": names(tasks), "methods": names(methods)}
    watcher = _Watcher()
    if print_only:
        check_there(found, folder)
    else:
        from ..files.revisions import folder_of, split_revision
        from ..ledger import reads, writing
        from ..reproduction.runs.pipeline import run_steps
        from ..reproduction.runs.speed import measure_speed

        if (base := folder_of(*split_revision(found.base))) is not None:
            reads(base)
        with warnings_as_lines(), writing(folder, own=True):
            run_steps(found, folder, watcher, **chosen, storage=storage, use_cpu=cpu)
            if found.methods and not any(chosen.values()) and not (folder / RECORD_NAME).exists():
                watcher("training speed, side by side")
                measure_speed(found, folder, use_cpu=cpu)
    removed: dict[Path, list[str]] = {}
    tables = write_results(
        found,
        folder,
        drawn_for,
        margin_given=margin is not None,
        from_records=print_only,
        removed=removed,
    )
    if as_json:
        print_json({"name": found.name, "out": str(folder), "tables": tables})
    else:
        for name in tables:
            echo((folder / "tables" / f"{name}.md").read_text(encoding="utf-8"))
    folders = [path for name in ("tables", "figures") if (path := folder / name).is_dir()]
    for where, gone in removed.items():
        say_removed(gone, str(where))
    say(f"wrote {listed([str(path) for path in (folder / PAGE_NAME, *folders)])}")
