"""`lora-lens search`: the learning rate, by Optuna."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal.comma_lists import numbers
from ..terminal.option_groups import with_options
from ..terminal.options import Json
from ..terminal.printing import echo, print_json, say, warnings_as_lines
from .data_options import data_fields
from .training_extra import training_libraries
from .training_options import Cpu, SamplerName, run_fields

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from transformers import TrainerCallback

NAME = "search"


@with_options(data=data_fields, fields=run_fields)
def run(
    data: dict[str, Any],
    fields: dict[str, Any],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", show_default=False, help="Folder of the trials."
        ),
    ],
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="How many the study shall have, all in all.")
    ] = 5,
    seeds: Annotated[
        str,
        typer.Option(
            "--seeds",
            metavar="S,S,…",
            show_default="--seed",
            help="Train every trial with each of these, and take the mean of their scores.",
        ),
    ] = "",
    low: Annotated[float, typer.Option("--low", help="Lowest learning rate.")] = 5e-5,
    high: Annotated[float, typer.Option("--high", help="Highest learning rate.")] = 5e-3,
    ranks: Annotated[
        str, typer.Option("--ranks", metavar="R,R,…", help="Also choose r from these.")
    ] = "",
    alphas: Annotated[
        str, typer.Option("--alphas", metavar="α,α,…", help="Also choose α from these.")
    ] = "",
    max_dropout: Annotated[
        float,
        typer.Option("--max-dropout", min=0, max=1, help="Also search dropout from 0 to this."),
    ] = 0.0,
    sampler: Annotated[
        SamplerName,
        typer.Option(
            "--sampler", help="tpe: Optuna's default, the paper's; qmc: spreads few trials evenly."
        ),
    ] = SamplerName.tpe,
    prune: Annotated[
        bool, typer.Option(help="Stop a trial that falls below the median of the others.")
    ] = True,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            show_default="a SQLite file in --out",
            help="Of Optuna: sqlite:///…, postgresql://…, mysql://…; processes that give the same "
            "one share the study.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", show_default="TASK-METHOD", help="Of the study.")
    ] = None,
    cpu: Cpu = False,
    as_json: Json = False,
) -> None:
    """Search the learning rate by the development metric; the test set is not looked at.

    The defaults are the paper's: five trials, log-uniform from 5e-5 to 5e-3. Start the command
    several times with one --storage, on one machine or on many, to share the work. A trial that was
    killed is taken up again; one that crashes is recorded and the study goes on. Writes search.json,
    trials.csv and a figure of the trials; --json prints what search.json holds.

    Example: lora-lens search --task rte --method condlora --data glue/ --out searches/rte-condlora
    """
    training_libraries()
    from ..training.progress import ConsoleProgress
    from ..training.search import search
    from ..training.settings import RunSettings
    from ..training.space import Space
    from ..training.trials import write_search

    space = Space(
        learning_rate=(low, high),
        ranks=numbers(ranks, int, "--ranks"),
        alphas=numbers(alphas, float, "--alphas"),
        dropout=(0.0, max_dropout) if max_dropout else None,
    )

    def callbacks() -> tuple[TrainerCallback, ...]:
        return (ConsoleProgress(),)

    with warnings_as_lines():
        study = search(
            RunSettings(**data, **fields),
            out,
            trials=trials,
            seeds=numbers(seeds, int, "--seeds"),
            space=space,
            storage=storage,
            name=name,
            sampler=sampler.value,
            prune=prune,
            use_cpu=cpu,
            callbacks=callbacks,
            report=_say,
        )
    record = write_search(study, out)
    if as_json:
        print_json(record)
    else:
        best, rows = record["best"], record["trials"]
        scored = sum(row["state"] in {"complete", "pruned"} for row in rows)
        failed = ", ".join(row["folder"] for row in rows if row["state"] == "fail")
        echo(
            f"best: learning rate {best['learning_rate']:.3g}, development score "
            f"{best['development_score']:.4f} ({best['folder']}, the best of {scored}"
            + (f"; failed: {failed})" if failed else ")")
        )
    say(f"wrote search.json, trials.csv, history.png and history.svg to {out}")


def _say(trial: FrozenTrial) -> None:
    from ..training.ownership import ERROR

    score = "" if trial.value is None else f", development score {trial.value:.4f}"
    error = f": {trial.user_attrs[ERROR]}" if ERROR in trial.user_attrs else ""
    tried = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in trial.params.items()
    )
    say(f"trial {trial.number} {trial.state.name.lower()} ({tried}){score}{error}")
