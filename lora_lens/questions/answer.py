"""What every result of a question has: its numbers, what is said of them, and how it shows itself."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..labelled import Comparable, Row, Tidy
from ..show.layout import true_minus
from ..show.paper import paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..show.findings import Finding
    from ..show.layout import Table
    from .question import Question

_MOST_ROWS = 24  # of a table in a notebook; `to_frame` has all
_MADE_WITH = ("draws", "base", "base_commit")  # in every result's JSON; null where there is none


class Answer(Tidy, Comparable):
    """A result, whose sentence comes first wherever it is shown: JSON, notebook, Markdown, terminal.

    A question's result has `notes`, `stem` and `numbers` of its own; the rest is found in the
    question's folder, where the class is.
    """

    notes: tuple[str, ...]
    seed: int | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        raise NotImplementedError

    def numbers(self) -> Row:
        """What was computed, for JSON; `to_dict` adds what every result has."""
        raise NotImplementedError

    @property
    def question(self) -> Question:
        """What it is an answer to."""
        return question_of(type(self))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What was tested against chance, each with a verdict corrected over all of them; often none."""
        return self.question.findings(self)

    @cached_property
    def summary(self) -> str:
        """What is seen, in one sentence."""
        return self.question.summary(self)

    def to_dict(self) -> Row:
        """For JSON: one sentence, the numbers, and what of them is told from chance."""
        return {
            "summary": self.summary,
            **{name: getattr(self, name, None) for name in _MADE_WITH},
            **self.numbers(),
            "notes": list(self.notes),
            "findings": [one.to_dict() for one in self.findings],
            "seed": self.seed,
            "version": __version__,
        }

    def to_markdown(self) -> str:
        """The sentence and the tables, as GitHub's Markdown."""
        from ..show.text import as_markdown

        return as_markdown(self._tables(), said=self.summary)

    def to_latex(self) -> str:
        """The tables, for LaTeX with ``booktabs``."""
        from ..show.text import as_latex

        return as_latex(self._tables(), self.stem)

    def plot(self, *, width: float | str | None = None, style: str | Path | None = None) -> Figure:
        """Its figure, drawn by matplotlib.

        Args:
            width: Of the page or column that it is for: ``"3.25in"``, ``"8.3cm"``, ``"83mm"``, ``"235pt"``
                of TeX, or a number of inches. Panels are arranged for it, and no letter but an index
                has less than 6 points. By default the width that suits all panels in a row.
            style: A matplotlib style sheet: its name or its file; several with commas between them.

        Raises:
            LensError: There is nothing to draw: `inspect` of a model that was trained in full.
            SettingsError: There is no such style, or that is no width.

        Example:
            >>> import lora_lens as ll
            >>> result = ll.inspect(ll.load_adapter(ll.demo_adapter("lora")))
            >>> float(result.plot(width="8.255cm").get_figwidth())
            3.25
        """
        return self.question.figure(self, paper=paper(width, style))

    def save(
        self,
        folder: str | Path,
        *,
        width: float | str | None = None,
        style: str | Path | None = None,
    ) -> list[str]:
        """Write figures, tables and numbers as ``--out`` does, all or nothing; the files' names.

        Those of the same names are replaced, and what an earlier result wrote there beside them, and this one does
        not, is removed.

        Args:
            folder: Made if it is not there.
            width: Of the figures, as in ``plot``.
            style: Of the figures, as in ``plot``.

        Raises:
            OutputError: The folder cannot be written.
            SettingsError: There is no such style, or that is no width.
        """
        from ..staging import remove_too, staged

        drawn_for = paper(width, style)
        with staged(Path(folder)) as staging:
            names = self.question.write(self, staging, paper=drawn_for)
            remove_too(staging, self.question.sometimes(self))
        return names

    def _tables(self) -> Sequence[Table]:
        found: Sequence[Table] = self.question.part("tables").tables(self)
        return found

    def _more_html(self) -> str:
        """What stands behind the first table in a notebook."""
        return "".join(map(_html, self._tables()[1:]))

    def _repr_html_(self) -> str:
        first, *_ = self._tables()
        more = self._more_html()
        said = [f"<p><b>{html.escape(self.summary)}</b></p>", _html(first)]
        said += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "".join(said) + (f"<details><summary>more</summary>{more}</details>" if more else "")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary}>"


def question_of(kind: type[Answer]) -> Question:
    """What results of a kind are answers to."""
    found: Question = import_module(kind.__module__.rpartition(".")[0]).QUESTION
    return found


def _html(table: Table) -> str:
    # Cell by cell, for HTML knows no columns' sides.
    sides = [' style="text-align:right"' if one else "" for one in table.numeric]

    def cells(values: Iterable[Any], tag: str) -> str:
        return "".join(
            f"<{tag}{side}>{html.escape(str(value))}</{tag}>"
            for side, value in zip(sides, values, strict=True)
        )

    rows = "".join(
        f"<tr>{cells(map(true_minus, row), 'td')}</tr>" for row in table.rows[:_MOST_ROWS]
    )
    left = len(table.rows) - _MOST_ROWS
    rest = f"<p>and {left} rows more: to_frame()</p>" if left > 0 else ""
    return (
        f"<table><caption>{html.escape(table.title)}</caption><tr>{cells(table.head, 'th')}</tr>"
        f"{rows}</table>{rest}"
    )
