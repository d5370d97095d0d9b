"""A question: what the command line, the files, the report and the contract tests need to know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True)
class Question:
    """One question, whose parts are modules of its folder, loaded when they are used.

    ================ ============================================================================
    module           has
    ================ ============================================================================
    ``analysis``     `function`: adapters → a result
    ``result``       the result: labelled numbers with ``to_dict``, ``to_frame``, ``notes``, ``stem``
    ``tables``       ``tables(result)``, ``terminal(result, console)``, ``texts(result)``
    ``words``        ``summary(result)``: what is seen, in a sentence or a few
    ``plots``        ``figures(result)``: what follows the files' stem → figure
    ``command``      ``run``: the command, with its options
    ================ ============================================================================

    Attributes:
        package: The folder, as Python imports it.
        command: What is typed: ``lora-lens COMMAND``.
        asks: The question, in a sentence.
        function: Name of the public function that answers it.
    """

    package: str
    command: str
    asks: str
    function: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.package.rpartition(".")[2]

    @property
    def ask(self) -> Callable[..., Any]:
        """The public function."""
        found: Callable[..., Any] = getattr(self.part("analysis"), self.function)
        return found

    @property
    def run(self) -> Callable[..., None]:
        """The command."""
        found: Callable[..., None] = self.part("command").run
        return found

    def part(self, module: str) -> ModuleType:
        """One of the folder's modules."""
        return import_module(f"{self.package}.{module}")

    def terminal(self, result: Any, console: Console) -> RenderableType:
        """What the command prints."""
        shown: RenderableType = self.part("tables").terminal(result, console)
        return shown

    def summary(self, result: Any) -> str:
        """What is seen in the numbers, in words."""
        said: str = self.part("words").summary(result)
        return said

    def write(self, result: Any, folder: Path, prefix: str = "") -> list[str]:
        """Write the result in every form, as ``PREFIXSTEM.*``; the names of the files."""
        from ..show.files import write_result

        tables = self.part("tables")
        return write_result(
            prefix + result.stem,
            result.to_dict(),
            tables.tables(result),
            texts=tables.texts(result),
            figures=self.part("plots").figures(result),
            folder=folder,
        )
