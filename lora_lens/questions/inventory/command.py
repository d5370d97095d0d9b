"""`lora-lens inspect`: what is in an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...several import counted
from ...terminal.options import (
    AdapterFolder,
    Base,
    Explain,
    Json,
    Out,
    Strict,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import Inventory


def run(
    adapter: AdapterFolder,
    base: Base = None,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
    strict: Strict = False,
) -> None:
    """What is in an adapter: modules, ranks, norms and spectra of ΔW, parameters, what is left out.

    Needs no base model, except for CondLoRA, whose A and B are made of W0.

    Example: lora-lens inspect ckpt/
    """
    import typer

    from ...terminal.printing import echo, report

    def make() -> Inventory:
        from ...formats import load_adapter
        from .analysis import inspect

        return inspect(load_adapter(adapter, base))

    found = report(make, QUESTION, as_json=as_json, out=out, explain=explain)
    if strict and found.left_out:
        echo(
            f"lora-lens: {counted(len(found.left_out), 'tensor')} left out, and --strict allows none",
            err=True,
        )
        raise typer.Exit(3)
