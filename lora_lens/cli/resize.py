"""`lora-lens resize`: a lower rank after training."""

from __future__ import annotations

from typing import Annotated

import typer

from ..terminal.options import AdapterFolder, Json, OutFolder
from ..terminal.printing import print_json, say, show_text

NAME = "resize"


def run(
    adapter: AdapterFolder,
    out: OutFolder,
    rank: Annotated[
        int | None,
        typer.Option("--rank", "-r", min=1, show_default="any", help="Of every module, at most."),
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(
            "--energy",
            show_default="whatever the rank leaves",
            help="Share of each module's ‖ΔW‖² to keep, such as 0.95: the least rank that does.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Lower an adapter's rank after training, each ΔW by the nearest of that rank (Eckart and Young).

    PEFT's LoRA, and kohya's, diffusers' and ComfyUI's files, in the format that they are in. It takes
    seconds, and neither a GPU nor the base model. `lora-lens spectrum ADAPTER` says before what ranks would keep.
    Of --rank and --energy, one is needed; with both, no rank is above --rank. DoRA is refused. What lies beside the
    adapter, a tokenizer or a card, is not copied.

    Example: lora-lens resize adapter/ --rank 8 --out adapter-of-8/
    """
    from ..writing.resizing import resize

    found = resize(adapter, out, rank, energy)
    if as_json:
        print_json(found.to_dict())
    else:
        from rich.text import Text

        show_text(lambda _: Text(found.sentence))
    for note in found.notes:
        say(f"note: {note}")
    say(f"wrote {out}")
