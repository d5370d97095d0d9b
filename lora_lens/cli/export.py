"""`lora-lens export`: CondLoRA to plain LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..terminal.options import AdapterFolder, Base, Json
from ..terminal.printing import say

NAME = "export"


def run(
    adapter: AdapterFolder,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", show_default=False, help="Folder to write to."),
    ],
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Turn a CondLoRA adapter into an ordinary LoRA checkpoint, exactly, for PEFT, vLLM and friends.

    Example: lora-lens export condlora/ --out condlora-as-lora/
    """
    from ..writing.export import export_lora

    written = export_lora(adapter, out, base)
    if as_json:
        import json

        typer.echo(json.dumps({"adapter": str(adapter), "out": str(written)}))
    say(f"wrote {out}, which PEFT loads as plain LoRA")
