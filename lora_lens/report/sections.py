"""A module's section of the page: the parts of the questions that were asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..show.drawing import with_plotly
from ..show.drawing.with_plotly import Spec
from ..show.figure import Panel
from ..show.part import PageFigure, Part, sentence
from .analysed import ModuleAnalysis
from .tables import PageTable, page_table


@dataclass(frozen=True)
class Drawn:
    """A figure of the page with its numbers."""

    figure: PageFigure
    spec: Spec

    @property
    def kind(self) -> str:
        """How the style sheet and the script know it."""
        if self.spec["kind"] == "lines":
            return "lines"
        return "heat square" if self.spec["square"] else "heat wide"


@dataclass(frozen=True)
class Shown:
    """A question's part, its figures and tables as the page has them."""

    kind: str
    part: Part
    figures: Sequence[Drawn]
    tables: Sequence[PageTable]
    details: Sequence[PageTable]
    notes: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A module of an adapter or of two; `name` is an id of the page's own making, `label` who they are."""

    name: str
    module: str
    parts: Sequence[Shown]
    label: str = ""


def section(one: ModuleAnalysis, name: str, label: str = "") -> Section:
    """All parts that were made of one module."""
    return Section(name, one.module, tuple(_parts(one, name)), label)


def _parts(one: ModuleAnalysis, name: str) -> Iterator[Shown]:
    said: set[str] = set()
    for answer in one.answers:
        question = answer.asked.question
        part = question.page(answer.result, answer.findings, f"{name}-{question.name}")
        notes = [sentence(note) for note in part.notes if note not in said]
        said |= set(part.notes)  # two questions of a module may have the same to note
        yield Shown(
            kind=question.name,
            part=part,
            figures=[Drawn(figure, _spec(figure)) for figure in part.figures],
            tables=[page_table(table) for table in part.tables],
            details=[page_table(table) for table in part.details],
            notes=notes,
        )


def _spec(figure: PageFigure) -> Spec:
    if isinstance(figure.drawn, Panel):
        return with_plotly.panel(figure.drawn)
    return with_plotly.heat_maps(figure.drawn, figure.x, figure.y)
