"""The answers of a report, module by module of every adapter, with the reason for each that could not be made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..adapter import Adapter
from ..bases.of_adapter import open_base_of
from ..bases.weights import BaseWeights
from ..core.computing.progress import Progress
from ..errors import BaseModelError, LensError
from ..files.adapter_folders import distinguishing_names
from ..show.findings import Finding, found
from ..show.time_left import TimeLeft
from ..show.wording import listed
from ..subspaces.convention import SettledConvention
from .asked import ASKED, Asked
from .least import check_memory
from .options import options_of
from .request import Request, enough_draws
from .rows import NotThere, rows_of
from .training_told import TrainingTold, training_told
from .units import Unit, forecast_of, units_of

Watch = Callable[[TimeLeft], None]


class Told(NamedTuple):
    """Who is told of what is ahead, when a part goes on and when it ends."""

    within: Progress
    ended: Callable[[], None]


class LeftOut(NamedTuple):
    """Something that was not analysed.

    Attributes:
        of: Adapters, as the page calls them; nothing where there is one.
        module: Its name.
        what, why: In words.
    """

    of: str
    module: str
    what: str
    why: str


@dataclass(frozen=True)
class Answered:
    """One question's result of a module, with its findings out of all of the report."""

    asked: Asked
    result: Any
    findings: tuple[Finding, ...] = ()

    @property
    def summary(self) -> str:
        """What is seen, in one sentence."""
        return self.asked.question.summary(self.result, self.findings)


@dataclass(frozen=True)
class ModuleAnalysis:
    """What was found of one module of an adapter, or of two adapters beside each other.

    Attributes:
        module: Its name, as the first of these adapters has it.
        answers: What was found.
        left_out: What could not be asked, and why.
        of: Which adapters, by their place in the report: one, or two that are compared.
        convention: Of an adapter's conversion matrices; None between two.
    """

    module: str
    answers: tuple[Answered, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    of: tuple[int, ...] = (0,)
    convention: SettledConvention | None = None

    def answer(self, name: str) -> Answered | None:
        """The answer to a question, by its name."""
        return next((one for one in self.answers if one.asked.question.name == name), None)


@dataclass(frozen=True)
class Analysed:
    """All that a report shows.

    Attributes:
        adapters: What was analysed, each by itself and each pair of them.
        bases: Their open weights; None where they are not at hand.
        modules: One entry a module and adapter, and one a module and pair.
        trained: What each adapter's files say of its training, as they were before the analysis.
        not_there: Modules that an adapter lacks, where another has them.
        request: What was asked for, with the draws that were made.
        warnings: What the analyses warned of.
    """

    adapters: tuple[Adapter, ...]
    bases: tuple[BaseWeights | None, ...]
    modules: tuple[ModuleAnalysis, ...]
    trained: tuple[TrainingTold | None, ...]
    not_there: tuple[NotThere, ...]
    request: Request
    warnings: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The adapters' folders, with as much of their paths as tells them apart."""
        sources = [one.source for one in self.adapters]
        last = [Path(source).name or source for source in sources]
        return tuple(last) if len(set(last)) == len(last) else distinguishing_names(sources)

    def modules_of(self, k: int) -> list[str]:
        """The modules of one adapter by itself."""
        return [one.module for one in self.modules if one.of == (k,)]

    def label(self, of: Sequence[int]) -> str:
        """What adapters are called where there are several; nothing where there is one."""
        return listed([self.names[k] for k in of]) if len(self.adapters) > 1 else ""

    def summary(self, module: ModuleAnalysis, answer: Answered) -> str:
        """An answer's sentence, with the adapters that it is of."""
        label = self.label(module.of)
        return f"{label}: {answer.summary}" if label else answer.summary

    @property
    def findings(self) -> list[tuple[ModuleAnalysis, Asked, Finding]]:
        """All that was tested: the module, the question, and the finding."""
        return [
            (module, answer.asked, finding)
            for module in self.modules
            for answer in module.answers
            for finding in answer.findings
        ]

    @property
    def left_out(self) -> list[LeftOut]:
        """What was not analysed and why, adapter by adapter."""
        found = [
            LeftOut(self.label(one.of), one.module, what, why)
            for one in self.modules
            for what, why in one.left_out
        ]
        absent = [LeftOut(self.label([k]), name, "all", why) for k, name, why in self.not_there]
        return absent + found


def analyse(
    adapters: Sequence[Adapter],
    request: Request | None = None,
    watch: Watch | None = None,
) -> Analysed:
    """Ask every question of a report of every module, and correct all its tests together.

    Every adapter is asked by itself, under its own convention, and every pair is compared, so that
    nothing hangs on which one is named first. What does not allow something (a rectangular W0 under
    ``stored``, a base model that is not on this machine) is left out with its reason, so that the rest
    can be read. `watch` is told how long it will take before it begins, and then as each question goes on and
    when it is done.

    Raises:
        LensError: Nothing that was asked for can be made of any module, or no such module or device; less memory
            than some part takes.
    """
    request = request or Request()
    rows, not_there = rows_of(adapters, request.modules)
    if request.draws is None:
        request = replace(request, draws=enough_draws(adapters, rows))
    opened = [_open(adapter) for adapter in adapters]
    units = list(units_of(adapters, opened, rows))
    check_memory(adapters, units, request)
    trained = tuple(map(training_told, adapters))
    told = _foretold(adapters, units, request, watch) if watch else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        made = [_answered(adapters, unit, request, told) for unit in units]
    _check_any(made)
    lines = dict.fromkeys(str(warning.message) for warning in caught)
    modules = _told_apart([one for one, _ in made])
    bases = tuple(base for base, _ in opened)
    return Analysed(tuple(adapters), bases, modules, trained, not_there, request, tuple(lines))


def _foretold(
    adapters: Sequence[Adapter], units: Sequence[Unit], request: Request, watch: Watch
) -> Told:
    """Tell what is ahead; what is given back does so again as each question goes on."""
    forecast = forecast_of(adapters, units, request)
    watch(forecast.ahead)
    return Told(
        lambda done, total: watch(forecast.within(done, total)), lambda: watch(forecast.next())
    )


def _answered(
    adapters: Sequence[Adapter], unit: Unit, request: Request, told: Told | None
) -> tuple[ModuleAnalysis, dict[str, LensError]]:
    """Every question's result, and the errors of those that have none, by what was asked."""
    chosen = [adapters[k] for k in unit.of]
    options, settled = options_of(chosen, unit, request)
    options["progress"] = told.within if told else None
    answers: list[Answered] = []
    errors = dict(unit.errors)
    for asked in unit.asked:
        try:
            answers.append(Answered(asked, asked.ask(chosen, unit.module, options)))
        except LensError as error:
            errors[asked.question.asks] = error
        if told:
            told.ended()
    reasons = tuple((what, str(error)) for what, error in errors.items())
    return ModuleAnalysis(unit.module, tuple(answers), reasons, unit.of, settled), errors


def _told_apart(modules: list[ModuleAnalysis]) -> tuple[ModuleAnalysis, ...]:
    """The modules with the findings of all their tests, which are one family."""
    claims = [
        list(answer.asked.question.claims(answer.result))
        for module in modules
        for answer in module.answers
    ]
    findings = iter(found([claim for some in claims for claim in some]))
    counts = iter(map(len, claims))
    return tuple(
        replace(
            module,
            answers=tuple(
                replace(answer, findings=tuple(next(findings) for _ in range(next(counts))))
                for answer in module.answers
            ),
        )
        for module in modules
    )


def _open(adapter: Adapter) -> tuple[BaseWeights | None, str]:
    try:
        return open_base_of(adapter), ""
    except BaseModelError as error:
        if adapter.base_given:
            raise
        return None, str(error)


def _check_any(made: Sequence[tuple[ModuleAnalysis, Mapping[str, LensError]]]) -> None:
    """A question of one adapter that fails wherever it was asked is an error, unless it was only not asked.

    Adapters that cannot be compared can still be read beside each other, and why they cannot is said.
    """
    answered = {answer.asked.question.asks for module, _ in made for answer in module.answers}
    asks = {one.question.asks for one in ASKED if one.needs != "other"}
    for _, errors in made:
        for what, error in errors.items():
            if what in asks and what not in answered:
                raise error
