"""Which questions a report asks of every module, and what each of them needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..adapter import Adapter
from ..chance.null_names import WITHOUT_SVD
from ..core.computing.work import Size, Work
from ..errors import LensError
from ..questions import comparison, grid, shared, similarity, spectrum
from ..questions.question import Question
from ..subspaces.memory import Least


@dataclass(frozen=True)
class Asked:
    """A question of the report.

    Attributes:
        question: Which.
        needs: W0, another adapter, or nothing but the adapter.
        tests: How many numbers of a module it tests against chance at most.
        described: Whether its sentence stands in the summary though nothing of it is tested.
        options: Given to its function beside what the whole report was asked with.
    """

    question: Question
    needs: Literal["w0", "other", "nothing"]
    tests: int = 0
    described: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def work(self, size: Size) -> Work:
        """How much there is to compute about one module."""
        count = self.question.part("work").work
        found: Work = count(size, **_known(count, self.options))
        return found

    def least(
        self, adapters: Sequence[Adapter], module: str, options: Mapping[str, Any]
    ) -> tuple[Least, ...]:
        """What it takes at any rate of one adapter, or of two, one after the other; nothing where it reads no W0."""
        least = self.question.part("least").least
        found: tuple[Least, ...] = least(
            *adapters, module=module, **_known(least, {**options, **self.options})
        )
        return found

    def ask(self, adapters: Sequence[Adapter], module: str, options: Mapping[str, Any]) -> Any:
        """The result of one adapter, or of two; of the options, those that its function has."""
        ask = self.question.ask
        return ask(*adapters, module=module, **_known(ask, options) | self.options)


class Unanswered(NamedTuple):
    """What there is no answer to, of a module.

    Attributes:
        what: In words.
        error: Why.
        asked: The question that was asked and failed; None where it was not asked.
    """

    what: str
    error: LensError
    asked: Asked | None = None


def _known(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the options those that the function has."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in options.items() if key in known}


# In the order in which they are read.
ASKED = (
    Asked(similarity.QUESTION, "w0", described=True, options={"nulls": WITHOUT_SVD}),
    Asked(shared.QUESTION, "w0", 2),
    Asked(comparison.QUESTION, "other", 6),
    # Its whole subspaces are tested by the comparison; i and j are its axes, not a choice.
    Asked(grid.QUESTION, "other", options={"draws": 0}),
    # Its draws are whole SVDs: one a layer, as by default.
    Asked(spectrum.QUESTION, "nothing", options={"beside_w0": False, "base": None, "draws": None}),
)
