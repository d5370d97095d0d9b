"""The summary of a report: a sentence, and every question with its answers and what they stand beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..chance.p_values import fewest_draws
from ..chance.significance import LEVEL
from ..several import counted
from ..show.findings import TRACE, Finding, hedge, short, too_few, would_be_seen
from ..show.layout import NONE, Table, beside, number, p_text, p_value
from ..show.wording import listed
from .analysed import Analysed, ModuleAnalysis
from .conventions import conventions
from .provenance import adapters_told
from .said_once import said_once

_TENTH = 0.1


@dataclass(frozen=True)
class Strip:
    """A finding, drawn on a line.

    Attributes:
        module: Of what.
        finding: With its verdict.
        of: Adapters, where there are several.
    """

    module: str
    finding: Finding
    of: str = ""

    @property
    def label(self) -> str:
        """The matrix as it is written."""
        return self.finding.label

    @property
    def aspect(self) -> str:
        """Which of several numbers of it."""
        return self.finding.claim.aspect

    @property
    def value(self) -> float:
        """The number."""
        return self.finding.claim.trial.value

    @property
    def chance(self) -> tuple[float, float, float]:
        """What chance gives: mean less and plus two deviations around it, and the mean first."""
        trial = self.finding.claim.trial
        spread = 2 * trial.sd if math.isfinite(trial.sd) else 0.0
        return trial.mean, trial.mean - spread, trial.mean + spread

    @property
    def words(self) -> str:
        """The verdict for a person."""
        return self.finding.words

    @property
    def kind(self) -> str:
        """The verdict for the style sheet, in which what is a trace above chance has no colour."""
        slight = " slight" if abs(self.finding.excess) < TRACE else ""
        return f"{self.finding.word.replace(' ', '-')}{slight}"

    @property
    def small(self) -> str:
        """The numbers behind it: p and size of more or less than chance, else what would have been seen."""
        verdict = self.finding.verdict
        if self.finding.word != "not seen":
            return f"{p_text(verdict.p)}; {self.finding.size.partition(': ')[2]}"
        if self.finding.hopeless:
            return f"{fewest_draws(LEVEL, tests=verdict.family)} are needed"
        return would_be_seen([self.finding])


@dataclass(frozen=True)
class Group:
    """A question, its answers module by module, what chance is, and the findings behind the answers.

    Of what is only described there are no findings.
    """

    question: str
    answers: Sequence[str]
    chance: str
    strips: Sequence[Strip]

    @property
    def top(self) -> float:
        """Where its lines end: at 1, or where all that stands on them is below a tenth, at that."""
        shown = [number for one in self.strips for number in (one.value, *one.chance)]
        return _TENTH if max(shown, default=1.0) < _TENTH else 1.0


def groups(analysed: Analysed, chance: dict[str, str]) -> list[Group]:
    """What was tested, question by question, and behind it what is described.

    `chance`: what each question's numbers stand beside.
    """
    made: list[Group] = []
    asked_of = [answer for module in analysed.modules for answer in module.answers]
    shown = [one.asked.question.name for one in asked_of if one.findings or one.asked.described]
    for name in dict.fromkeys(shown):
        answers = [
            (module, answer) for module in analysed.modules if (answer := module.answer(name))
        ]
        strips = [
            Strip(module.module, finding, analysed.label(module.of))
            for module, asked, finding in analysed.findings
            if asked.question.name == name
        ]
        made.append(
            Group(
                question=answers[0][1].asked.question.asks,
                answers=said_once(analysed, answers),
                chance=chance.get(name, ""),
                strips=strips,
            )
        )
    return sorted(made, key=lambda group: not group.strips)


def headline(analysed: Analysed) -> str:
    """What of all that was tested is more or less than chance, in one sentence."""
    every = [finding for _, _, finding in analysed.findings]
    findings = [one for one in every if not one.claim.made]
    made = len(every) - len(findings)
    are = f"{counted(made, 'share')} that {'is' if made == 1 else 'are'} 1 by construction"
    if not findings:
        return f"Nothing was tested against chance{f' but {are}' if made else ''}."
    return f"{_said(analysed, findings)}{f' Not counted: {are}.' if made else ''}"


def _said(analysed: Analysed, findings: Sequence[Finding]) -> str:
    tests = counted(len(findings), "test")
    claimed: dict[str, list[tuple[str, Finding]]] = {}
    for module, asked, finding in analysed.findings:
        if finding.word != "not seen" and not finding.claim.made:
            of = " of ".join(filter(None, (module.module, analysed.label(module.of))))
            claimed.setdefault(asked.question.asks, []).append((of, finding))
    if claimed:
        words = {finding.word for finding in findings}
        count = sum(map(len, claimed.values()))
        each = "; ".join(f"“{asks}” {_counted(some)}" for asks, some in claimed.items())
        what = " or ".join(word for word in ("more", "less") if word in words)
        return f"{count} of {tests} {'finds' if count == 1 else 'find'} {what} than chance: {each}."
    hopeless = [one for one in findings if one.hopeless]
    able = [one for one in findings if not one.hopeless]
    if not able:
        return f"In {tests} {too_few(hopeless, 'anything')}."
    few = f"; in {len(hopeless)} of them {too_few(hopeless, 'anything')}" if hopeless else ""
    none = "The one test does not find" if len(findings) == 1 else f"None of {tests} finds"
    return f"{none} more than chance: {would_be_seen(able)}{few}."


def _counted(findings: Sequence[tuple[str, Finding]]) -> str:
    """In how many tests there is more and less, and of what the farthest from chance is, with its size.

    It need not be the largest number: where chance gives more, a larger one is nearer to it.
    """
    words = [finding.word for _, finding in findings]
    counts = [
        f"{word} in {counted(words.count(word), 'test')}"
        for word in ("more", "less")
        if word in words
    ]
    of, farthest = max(findings, key=lambda one: abs(one[1].excess))
    at = "" if len(findings) == 1 else "farthest from chance "
    return f"{listed(counts)}, {at}{farthest.claim.label} of {of} at {farthest.size}"


def left_out_lines(analysed: Analysed) -> list[str]:
    """What was not analysed, a line a reason: the same reason of several modules is said once."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in analysed.left_out:
        found.setdefault((one.of, one.what, one.why), []).append(one.module)
    return [
        f"{f'{of}, ' if of else ''}{listed(list(dict.fromkeys(modules)))}"
        f"{'' if what == 'all' else f', {what}'}: {why}"
        for (of, what, why), modules in found.items()
    ]


def told(analysed: Analysed) -> dict[str, Any]:
    """The summary for JSON."""
    sources = [one.source for one in analysed.adapters]

    def of(module: ModuleAnalysis) -> dict[str, Any]:
        return {"module": module.module, "adapters": [sources[k] for k in module.of]}

    return {
        "summary": headline(analysed),
        "adapter": sources[0],
        "other": sources[1] if len(sources) > 1 else None,
        "adapters": adapters_told(analysed),
        "base": analysed.bases[0].source if analysed.bases[0] else None,
        "base_commit": analysed.bases[0].commit if analysed.bases[0] else None,
        "convention": conventions(analysed) or None,
        "ridge": analysed.request.ridge,
        "draws": analysed.request.draws,
        "findings": [
            of(module) | {"question": asked.question.name} | finding.to_dict()
            for module, asked, finding in analysed.findings
        ],
        "summaries": [
            of(module) | {"question": one.asked.question.name, "summary": one.summary}
            for module in analysed.modules
            for one in module.answers
        ],
        "not_analysed": left_out_lines(analysed),
        "seed": analysed.request.seed,
        "version": __version__,
    }


def glance_table(analysed: Analysed) -> Table:
    """The findings as a table."""
    several = len(analysed.adapters) > 1
    head = ["what", "module", "found", "null", "by chance", "p (Holm)", "detectable", "verdict"]
    rows = [
        [
            finding.claim.about,
            *([analysed.label(module.of)] if several else []),
            module.module,
            number(finding.claim.trial.value),
            finding.claim.null,
            beside(finding.claim.trial.mean, finding.claim.trial.sd),
            p_value(finding.verdict.p),
            NONE if finding.verdict.detectable is None else short(finding.verdict.detectable),
            finding.words,
        ]
        for module, _, finding in analysed.findings
    ]
    return Table("Findings at a glance", [head[0], *(["of"] if several else []), *head[1:]], rows)


def hedged(analysed: Analysed) -> str:
    """How the verdicts were made."""
    return hedge([finding for _, _, finding in analysed.findings])
