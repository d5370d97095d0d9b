"""The answers of a report, module by module, with the reason for each that could not be made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..adapter import Adapter
from ..bases.opening import open_base_of
from ..bases.weights import BaseWeights
from ..errors import BaseModelError, LensError, ModuleLookupError
from ..show.findings import Finding, found
from ..subspaces.convention import SettledConvention, settle_convention
from ..subspaces.pairing import select_in_both
from ..subspaces.selection import select_module
from .asked import ASKED, Asked
from .request import Request, enough_draws

Progress = Callable[[int, int], None]
_NEEDING = {
    "w0": "everything that W0 is needed for",
    "other": "everything between the two adapters",
}


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
    """What was found of one module, and what was left out of it, each with why."""

    module: str
    answers: tuple[Answered, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def of(self, name: str) -> Answered | None:
        """The answer to a question, by its name."""
        return next((one for one in self.answers if one.asked.question.name == name), None)


@dataclass(frozen=True)
class Analysed:
    """All that a report shows.

    Attributes:
        adapter, other: What was analysed, and what it is compared with.
        conventions: Which equation made each module's conversion matrices, and why that one.
        base: Its open weights; None where they are not at hand.
        modules: One entry a module.
        request: What was asked for, with the draws that were made.
        warnings: What the analyses warned of.
    """

    adapter: Adapter
    other: Adapter | None
    conventions: Mapping[str, SettledConvention]
    base: BaseWeights | None
    modules: tuple[ModuleAnalysis, ...]
    request: Request
    warnings: tuple[str, ...] = ()

    @property
    def findings(self) -> list[tuple[str, Asked, Finding]]:
        """All that was tested: the module, the question, and the finding."""
        return [
            (module.module, answer.asked, finding)
            for module in self.modules
            for answer in module.answers
            for finding in answer.findings
        ]


def analyse(
    adapter: Adapter,
    other: Adapter | None = None,
    request: Request | None = None,
    progress: Progress | None = None,
) -> Analysed:
    """Ask every question of a report of every module, and correct all its tests together.

    What one module does not allow (a rectangular W0 under ``stored``, a base model that is not on
    this machine) is left out with its reason, so that the rest can be read.

    Raises:
        LensError: Nothing that was asked for can be made of any module, or no such module or device.
    """
    request = request or Request()
    asked = request.modules or adapter.in_layers or tuple(adapter.modules)
    names = list(dict.fromkeys(select_module(adapter, name).module for name in asked))
    if other is not None:
        _check_common(adapter, other, names)
    if request.draws is None:
        request = replace(request, draws=enough_draws(adapter, names, other=other is not None))
    others = [] if other is None else [other]
    conventions = {
        name: settle_convention(request.convention, adapter.modules[name], adapter, others)
        for name in names
    }
    base, no_base = _open(adapter)
    options: dict[str, Any] = {
        "rank": request.rank, "ridge": request.ridge, "draws": request.draws,
        "seed": request.seed, "device": request.device, "dtype": request.dtype, "base": base,
    }  # fmt: skip
    made = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        for done, name in enumerate(names):
            chosen = options | {"convention": conventions[name].name}
            made.append(_module(adapter, other, name, chosen, no_base))
            if progress:
                progress(done + 1, len(names))
    _check_any([errors for _, errors in made])
    lines = dict.fromkeys(str(warning.message) for warning in caught)
    modules = _told_apart([one for one, _ in made])
    return Analysed(adapter, other, conventions, base, modules, request, tuple(lines))


def _check_common(adapter: Adapter, other: Adapter, names: list[str]) -> None:
    """The other adapter has one of the modules: found out before the long work."""
    if all(_missing(adapter, other, name) for name in names):
        raise ModuleLookupError(
            f"{other.source} has none of the modules to compare ({', '.join(names)}); it has: "
            f"{', '.join(other.in_layers)}"
        )


def _missing(adapter: Adapter, other: Adapter, name: str) -> ModuleLookupError | None:
    """Why there is no module in `other` to compare with; None where there is."""
    try:
        select_in_both(adapter, other, name)
    except ModuleLookupError as error:
        return error
    return None


def _module(
    adapter: Adapter,
    other: Adapter | None,
    name: str,
    options: Mapping[str, Any],
    no_base: str,
) -> tuple[ModuleAnalysis, dict[str, LensError]]:
    """Every question's result, and the errors of those that have none, by what was asked."""
    lacking: dict[str, LensError | None] = {"nothing": None}
    lacking["w0"] = BaseModelError(no_base) if no_base else None
    lacking["other"] = _missing(adapter, other, name) if other is not None else None
    answers: list[Answered] = []
    errors: dict[str, LensError] = {}
    for asked in ASKED:
        if asked.needs == "other" and other is None:
            continue
        if (missing := lacking[asked.needs]) is not None:
            errors[_NEEDING[asked.needs]] = missing
            continue
        try:
            answers.append(Answered(asked, asked.ask(adapter, other, name, options)))
        except LensError as error:
            errors[asked.question.asks] = error
    reasons = tuple((what, str(error)) for what, error in errors.items())
    return ModuleAnalysis(name, tuple(answers), reasons), errors


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


def _check_any(errors: list[dict[str, LensError]]) -> None:
    """A question that fails for every module is an error, but for a base that is only not here."""
    for what in dict.fromkeys(what for some in errors for what in some):
        each = [some.get(what) for some in errors]
        first = each[0]
        if first is not None and None not in each and what != _NEEDING["w0"]:
            raise first
