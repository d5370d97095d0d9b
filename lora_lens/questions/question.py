"""A question: what the command line, the files, the report and the contract tests need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import LensError
from ..show.paper import PLAIN, Paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, RenderableType

    from ..show.figure import Sheet
    from ..show.findings import Claim, Finding
    from ..show.part import Part


@dataclass(frozen=True)
class Question:
    """One question, whose parts are modules of its folder, loaded when they are used.

    ================ ============================================================================
    module           has
    ================ ============================================================================
    ``analysis``     `function`: adapters → a result
    ``result``       the result: an `Answer` with ``numbers``, ``rows``, ``notes``, ``stem``
    ``words``        ``summary(result)``: what is seen, in one sentence; where something is tested against
                     chance, ``claims(result)``: what, and ``summary(result, findings)``
    ``tables``       ``tables(result)``, the first of them beside chance; ``texts(result)``: what follows
                     the files' stem → a text, where that is more than its rows as CSV;
                     ``SOMETIMES``: what follows it in files that not every result has, where there are any;
                     ``legend(result)``: what its words mean, printed on ``--explain``
    ``terminal``     ``terminal(result, console)``: what the command prints below the sentence, by rich
    ``figures``      ``figures(result)``: what follows the files' stem → a described figure
    ``page``         ``part(result, findings, name)``: its part of a report, where it has one
    ``work``         ``work(size)``: how much there is to compute, where a report asks it
    ``least``        ``least(adapter, module, …)``: the least memory that it takes, where a report asks
                     it and it reads W0
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
        """The command; where it has ``--out`` it has the options of figures too."""
        from ..terminal.for_paper import for_paper

        return for_paper(self.part("command").run)

    def part(self, module: str) -> ModuleType:
        """One of the folder's modules."""
        return import_module(f"{self.package}.{module}")

    def claims(self, result: Any) -> Sequence[Claim]:
        """What of a result is tested against chance."""
        words = self.part("words")
        made: Sequence[Claim] = words.claims(result) if hasattr(words, "claims") else ()
        return made

    def findings(self, result: Any) -> tuple[Finding, ...]:
        """What is told from chance in one result, its own tests being the family."""
        from ..show.findings import found

        return found(self.claims(result))

    def summary(self, result: Any, findings: Sequence[Finding] | None = None) -> str:
        """What is seen in the numbers, in one sentence; `findings` of a larger family where it is of one."""
        words = self.part("words")
        if not hasattr(words, "claims"):
            described: str = words.summary(result)
            return described
        told: str = words.summary(result, result.findings if findings is None else findings)
        return told

    def terminal(self, result: Any, console: Console, *, explain: bool = False) -> RenderableType:
        """What the command prints: the sentence, the numbers, and what the words mean if that is asked for."""
        from rich.console import Group
        from rich.text import Text

        from ..show.console import notes

        legend = self.part("tables").legend

        def parts() -> Iterator[RenderableType]:
            yield Text(result.summary, style="bold")
            yield self.part("terminal").terminal(result, console)
            yield Text("")
            yield from notes(result.notes)
            lines = legend(result) if explain else ["what the words mean: --explain"]
            yield from (Text(line, style="dim") for line in lines)

        return Group(*parts())

    def figures(self, result: Any, paper: Paper = PLAIN) -> dict[str, Figure]:
        """Every figure, by what follows the files' stem, drawn by matplotlib for a paper."""
        return {suffix: drawn(one, paper) for suffix, one in self._described(result).items()}

    def figure(self, result: Any, suffix: str = "", paper: Paper = PLAIN) -> Figure:
        """One of them.

        Raises:
            LensError: There is none of that name.
        """
        described = self._described(result)
        if not described:
            raise LensError("nothing here is drawn: no module has factors, whose spectra would be")
        if suffix not in described:
            has = ", ".join(map(repr, described))
            raise LensError(f"{self.command} draws no figure {suffix!r}; it has {has}")
        return drawn(described[suffix], paper)

    def _described(self, result: Any) -> Mapping[str, Sheet]:
        found: Mapping[str, Sheet] = self.part("figures").figures(result)
        return found

    def page(self, result: Any, findings: Sequence[Finding], name: str) -> Part:
        """Its part of a report; `name` begins the ids in it."""
        made: Part = self.part("page").part(result, findings, name)
        return made

    def write(self, result: Any, folder: Path, prefix: str = "", paper: Paper = PLAIN) -> list[str]:
        """Write the result in every form, as ``PREFIXSTEM.*``; the names of the files."""
        from ..show.csv_text import as_csv
        from ..show.files import write_result

        tables = self.part("tables")
        return write_result(
            prefix + result.stem,
            result.to_dict(),
            tables.tables(result),
            said=result.summary,
            texts=tables.texts(result)
            if hasattr(tables, "texts")
            else {".csv": as_csv(result.rows())},
            figures=self.figures(result, paper),
            folder=folder,
            paper=paper,
        )

    def sometimes(self, result: Any) -> list[str]:
        """Names of the files that another result may have written where this one's are, and this one may not have."""
        from ..printable import safe_stem

        return [
            safe_stem(result.stem) + suffix
            for suffix in getattr(self.part("tables"), "SOMETIMES", ())
        ]


def drawn(described: Sheet, paper: Paper) -> Figure:
    """A described figure, drawn by matplotlib for a paper."""
    from ..show.drawing.with_matplotlib import sheet

    with paper.settings():
        return sheet(described, width=paper.width)
