"""`lora-lens survey`: any number of adapters, place by place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..survey.questions import QUESTIONS
from ..terminal.comma_lists import names
from ..terminal.options import Base, ConventionChoice, Dtype, DtypeName, Explain, Json

NAME = "survey"
_WORDS = "what the words mean: --explain"
_PROSE = ("members", "why")  # what is last in a table of words


def _questions(given: str | None) -> list[str] | None:
    if given is None:
        return None
    asked = names(given)
    if unknown := [name for name in asked if name not in QUESTIONS]:
        raise typer.BadParameter(f"{', '.join(unknown)}; expected some of {', '.join(QUESTIONS)}")
    return list(asked)


def run(
    adapters: Annotated[
        list[str],
        typer.Argument(
            metavar="ADAPTER...",
            show_default=False,
            help="Adapters, folders of adapters, hub:OWNER/BASE for all adapters "
            "of a base on the hub (hub:OWNER/BASE?author=NAME&search=WORDS&limit=100), or LIST.txt with one of these a line.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write into.")
    ] = Path("survey"),
    base: Base = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--questions",
            metavar="NAME,NAME",
            show_default="all; conversions with --base",
            help=f"Some of {', '.join(QUESTIONS)}.",
        ),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank", "-r", show_default="each adapter's own", help="i and j of all pairs."
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="ADAPTER",
            show_default="the adapters' mean A",
            help="An adapter saved before any training, with the A that all began with.",
        ),
    ] = None,
    convention: Annotated[
        ConventionChoice, typer.Option("--convention", help="Of the conversion matrices.")
    ] = ConventionChoice.auto,
    k: Annotated[int, typer.Option("--k", min=1, help="Most directions to share.")] = 32,
    draws: Annotated[
        int, typer.Option("--draws", min=1, help="Draws of adapters of unrelated directions.")
    ] = 1,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            max=2**63 - 1,
            help="Of those draws, and of how adapters are dealt into halves.",
        ),
    ] = 0,
    dtype: Dtype = DtypeName.float64,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Places at a time on this machine.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="tcp://…",
            show_default=False,
            help="A Dask scheduler to send the places to.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="K/N",
            show_default=False,
            help="Only every N-th place, beginning with the K-th; without it, later, all are joined.",
        ),
    ] = None,
    explain: Explain = False,
    as_json: Json = False,
) -> None:
    """Any number of adapters, place by place, and what only many of them can tell.

    φ of A and B between every two, beside what unrelated ones, a common start and the mean adapter make of
    it; the share of ΔW that k shared directions hold of adapters left out; clusters; adapters that lie far
    from the others; the cross energy of a merge. A place, a module in a layer, is a task of its own with a
    file of its own: what is there already is not done again. Needs the extra: pip install "lora-lens[survey]".

    Example: lora-lens survey runs/ --processes 4 -o survey/
    """
    from ..terminal.printing import echo, print_json, progress, say, show_text

    asked = _questions(questions)
    with progress("adapters and places", as_json=as_json) as advance:
        from ..survey.write import survey

        result = survey(
            adapters,
            out,
            base=base,
            questions=asked,
            rank=rank,
            start=start,
            convention=convention.value,
            k=k,
            draws=draws,
            seed=seed,
            dtype=dtype.value,
            processes=processes,
            scheduler=scheduler,
            shard=shard,
            progress=advance,
        )
    if as_json:
        print_json(result.to_dict())
        for note in result.notes:
            say(f"note: {note}")
    else:
        from rich.console import Group
        from rich.text import Text

        from ..show.console import notes, table

        said = [Text(one, style="bold") for one in result.sentences]
        told = (Text(""), *notes(result.notes)) if result.notes else ()
        shown = [table(one, wide=one.head[-1] in _PROSE) for one in result.tables]
        words = _legend(result.numbers) if explain else [_WORDS]
        below = [Text(line, style="dim") for line in words] if shown or explain else []
        if below and not told:
            below.insert(0, Text(""))
        show_text(lambda _: Group(*said, *shown, *told, *below))
    for name, reason in result.failed[:3]:
        echo(f"left out: {name}: {reason}", err=True)
    if len(result.failed) > 3:
        from ..survey.table_file import to_read

        where = to_read(result.files, "failed")
        echo(f"left out: {len(result.failed) - 3} more{f', in {where}' if where else ''}", err=True)
    if result.files:
        say(f"wrote {len(result.files) + 2} files to {result.out}")


def _legend(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What the words of the tables mean; of a shard, which has none yet, all that there may be."""
    from ..survey.glossary import legend
    from ..survey.missing import places_of_start

    joined = "by_place" in told
    start = not joined or bool(places_of_start(told["by_place"], told["subspace"]))
    return legend(told["questions"], start=start)
