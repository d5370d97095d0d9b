"""Which questions a report asks of every module, and what each of them needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..adapter import Adapter
from ..chance.conversion_draws import NULLS
from ..questions import comparison, grid, shared, similarity, spectrum
from ..questions.question import Question
from .work import Size, Work, of_comparison, of_factors, of_shared, of_similarity, of_spectra


@dataclass(frozen=True)
class Asked:
    """A question of the report.

    Attributes:
        question: Which.
        needs: W0, another adapter, or nothing but the adapter.
        counted: How much there is to compute, from the sizes.
        tests: How many numbers of a module it tests against chance at most.
        described: Whether its sentence stands in the summary though nothing of it is tested.
        options: Given to its function beside what the whole report was asked with.
    """

    question: Question
    needs: Literal["w0", "other", "nothing"]
    counted: Callable[[Size], Work]
    tests: int = 0
    described: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def work(self, size: Size) -> Work:
        """How much there is to compute about one module."""
        return of_spectra(size) if self.options.get("beside_w0") else self.counted(size)

    def ask(self, adapters: Sequence[Adapter], module: str, options: Mapping[str, Any]) -> Any:
        """The result of one adapter, or of two; of the options, those that its function has."""
        ask = self.question.ask
        known = inspect.signature(ask).parameters
        chosen = {key: value for key, value in options.items() if key in known}
        return ask(*adapters, module=module, **chosen | self.options)


# In the order in which they are read.
ASKED = (
    Asked(similarity.QUESTION, "w0", of_similarity, described=True, options={"nulls": NULLS}),
    Asked(shared.QUESTION, "w0", of_shared, 2),
    Asked(comparison.QUESTION, "other", of_comparison, 6),
    # Its whole subspaces are tested by the comparison; i and j are its axes, not a choice.
    Asked(grid.QUESTION, "other", of_factors, options={"draws": 0}),
    # Its draws are whole SVDs: one a layer, as by default.
    Asked(spectrum.QUESTION, "nothing", of_factors, options={"beside_w0": False, "draws": 1}),
)
