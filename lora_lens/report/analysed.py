"""All that a report shows, module by module of every adapter: answers, and the reason for each that could not be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..adapter import Adapter
from ..bases.weights import BaseWeights
from ..files.adapter_folders import distinguishing_names
from ..show.findings import Finding
from ..show.wording import listed
from ..subspaces.convention import SettledConvention
from .asked import Asked, Unanswered
from .module_sizes import ModuleSizes
from .request import Request
from .rows import NotThere
from .training_told import TrainingTold


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
        of: Which adapters, by their place in the report: one, or two that are compared.
        sizes: The module's, in each of them.
        answers: What was found.
        left_out: What was not, and why.
        convention: Of an adapter's conversion matrices; None between two.
    """

    module: str
    of: tuple[int, ...]
    sizes: tuple[ModuleSizes, ...]
    answers: tuple[Answered, ...]
    left_out: tuple[Unanswered, ...]
    convention: SettledConvention | None

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

    def sizes_of(self, k: int) -> list[ModuleSizes]:
        """Theirs."""
        return [one.sizes[0] for one in self.modules if one.of == (k,)]

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
            LeftOut(self.label(one.of), one.module, left.what, str(left.error))
            for one in self.modules
            for left in one.left_out
        ]
        absent = [LeftOut(self.label([k]), name, "all", why) for k, name, why in self.not_there]
        return absent + found
