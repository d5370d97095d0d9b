"""Asking every question of a report of every module of every adapter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..adapter import Adapter
from ..bases.of_adapter import open_base_of
from ..bases.weights import BaseWeights
from ..core.computing.progress import Progress
from ..errors import BaseModelError, LensError
from ..show.findings import found
from ..show.time_left import TimeLeft
from .analysed import Analysed, Answered, ModuleAnalysis
from .asked import Unanswered
from .draws import enough_draws
from .least import check_memory
from .options import options_of
from .request import Request
from .rows import rows_of
from .training_told import training_told
from .units import Unit, forecast_of, units_of

Watch = Callable[[TimeLeft], None]


class Listener(NamedTuple):
    """Who is told of what is ahead: while a part goes on, and when it has ended."""

    within: Progress
    ended: Callable[[], None]


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
    opened = [_open(adapter) for adapter in adapters]
    units = list(units_of(adapters, opened, rows))
    if request.draws is None:
        request = replace(request, draws=enough_draws(units))
    check_memory(units, request)
    trained = tuple(map(training_told, adapters))
    listener = _listener(units, request, watch) if watch else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        modules = [_answered(unit, request, listener) for unit in units]
    said = {str(warning.message): warning for warning in caught}
    noted = {
        note for module in modules for answer in module.answers for note in answer.result.notes
    }
    try:
        _check_any(modules)
    except LensError:
        for one in said.values():  # which no page will say
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        raise
    return Analysed(
        adapters=tuple(adapters),
        bases=tuple(base for base, _ in opened),
        modules=_with_findings(modules),
        trained=trained,
        not_there=not_there,
        request=request,
        warnings=tuple(one for one in said if one not in noted),
    )


def _listener(units: Sequence[Unit], request: Request, watch: Watch) -> Listener:
    """Tell what is ahead; what is given back does so again as each question goes on."""
    forecast = forecast_of(units, request)
    watch(forecast.ahead)
    return Listener(
        lambda done, total: watch(forecast.within(done, total)), lambda: watch(forecast.next())
    )


def _answered(unit: Unit, request: Request, listener: Listener | None) -> ModuleAnalysis:
    """Every question's result, and the errors of those that have none."""
    options, settled = options_of(unit, request)
    options["progress"] = listener.within if listener else None
    answers: list[Answered] = []
    left_out = list(unit.not_asked)
    for asked in unit.asked:
        try:
            answers.append(Answered(asked, asked.ask(unit.adapters, unit.module, options)))
        except LensError as error:
            left_out.append(Unanswered(asked.question.asks, _alone(error), asked))
        if listener:
            listener.ended()
    return ModuleAnalysis(
        unit.module, unit.of, unit.sizes, tuple(answers), tuple(left_out), settled
    )


def _alone(error: LensError) -> LensError:
    """Without where it came from: frames keep what was computed in them, W0 too."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _with_findings(modules: Sequence[ModuleAnalysis]) -> tuple[ModuleAnalysis, ...]:
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


def _check_any(modules: Sequence[ModuleAnalysis]) -> None:
    """A question of one adapter that fails wherever it was asked is an error, unless it was only not asked.

    Adapters that cannot be compared can still be read beside each other, and why they cannot is said.
    """
    answered = {answer.asked.question.name for module in modules for answer in module.answers}
    for _, error, asked in (left for module in modules for left in module.left_out):
        if asked and asked.needs != "other" and asked.question.name not in answered:
            raise error
