"""The findings at a glance: a row a question, with its number, what chance gives, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..chance.against_null import NullTest
from ..chance.p_values import benjamini_hochberg
from ..chance.significance import LEVEL
from ..show.layout import (
    LABELS,
    Table,
    beside,
    counted,
    number,
    signed,
)
from ..show.wording import BELOW, ONE, listed
from ..subspaces.pairing import SAME_W0
from .analysis import Analysed, ModuleAnalysis

Verdict = Literal["equal", "more", "no more", "less", "untold"]
_SAME = 1e-6  # φ in float32's resolution

WORDS: dict[Verdict, str] = {
    "equal": "equal",
    "more": "more than chance",
    "no more": "no more than chance",
    "less": "less than chance",
    "untold": "cannot be told",
}


@dataclass(frozen=True)
class Finding:
    """One question and its answer.

    Attributes:
        module, matrix: Of what.
        question: In words.
        kind: ``layers``, ``shared`` or ``adapters``.
        value: The number, in [0, 1].
        test: It beside its null.
        null: The null's name.
        verdict: By p at `LEVEL`, uncorrected; ``equal`` where the number is 1.
        corrected: p after Benjamini-Hochberg over all tests of the report; NaN where nothing is tested.
    """

    module: str
    matrix: str
    question: str
    kind: Literal["layers", "shared", "adapters"]
    value: float
    test: NullTest[float]
    null: str
    verdict: Verdict
    corrected: float = math.nan

    @property
    def tested(self) -> bool:
        """Whether a p-value stands behind the verdict."""
        return self.verdict not in ("equal", "untold")

    @property
    def label(self) -> str:
        """The matrix as it is written."""
        return LABELS[self.matrix]

    @property
    def chance_is_known(self) -> bool:
        """Whether the null has a mean and a deviation."""
        return bool(np.isfinite(self.test.mean) and np.isfinite(self.test.sd))

    @property
    def words(self) -> str:
        """The verdict for a person."""
        return WORDS[self.verdict]


def verdict(value: float, test: NullTest[float]) -> Verdict:
    """More than the null gives at p ≤ 0.05, less below −3 deviations, else no more."""
    if value > ONE:
        return "equal"
    if not np.isfinite(test.z):
        return "untold"
    if test.p <= LEVEL:
        return "more"
    return "less" if test.z < BELOW else "no more"


def findings(analysed: Analysed) -> list[Finding]:
    """All modules' findings, question by question."""
    each = [list(_of_module(one)) for one in analysed.modules]
    order = {"layers": 0, "shared": 1, "adapters": 2}
    found = sorted((one for found in each for one in found), key=lambda one: order[one.kind])
    p = np.array([one.test.p if one.tested else np.nan for one in found])
    tested = np.isfinite(p)
    p[tested] = benjamini_hochberg(p[tested])
    return [replace(one, corrected=float(p[k])) for k, one in enumerate(found)]


def _of_module(one: ModuleAnalysis) -> Iterator[Finding]:
    if one.similarity is not None and len(one.similarity.layers) > 1:
        for matrix, grid in one.similarity.items():
            if matrix == "BA" and same(grid.values, one.similarity["B"].values):
                continue
            null = "propagated" if "propagated" in grid.significance else "gaussian"
            test = grid.significance[null].of_mean
            question = f"Are {LABELS[matrix]}'s conversions alike across layers? (mean φ)"
            yield _finding(one, matrix, question, "layers", grid.mean, test, null)
    if one.shared is not None and len(one.shared.layers) > 1:
        for matrix, shared in one.shared.items():
            null = list(shared.nulls)[-1]
            test = shared.nulls[null].share
            question = f"Does one shared layer yield {LABELS[matrix]}? (share captured)"
            yield _finding(one, matrix, question, "shared", shared.share, test, null)
    if one.comparison is not None:
        for matrix, series in one.comparison.items():
            if matrix == "delta" and same(series.values, one.comparison["B"].values):
                continue
            test = series.significance.of_mean
            question = f"Do the two adapters' {LABELS[matrix]} span alike? (mean φ)"
            finding = _finding(one, matrix, question, "adapters", series.mean, test, "gaussian")
            too_low = SAME_W0 in one.comparison.notes and finding.verdict == "more"
            yield replace(finding, verdict="untold") if too_low else finding


def _finding(
    one: ModuleAnalysis,
    matrix: str,
    question: str,
    kind: Literal["layers", "shared", "adapters"],
    value: float,
    test: NullTest[float],
    null: str,
) -> Finding:
    return Finding(one.module, matrix, question, kind, value, test, null, verdict(value, test))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two series of φ are the same numbers, as those of B and of the product at i = j = r."""
    return bool(np.allclose(one, other, rtol=0, atol=_SAME))


def glance_table(found: Sequence[Finding]) -> Table:
    """The findings as a table."""
    head = ["question", "module", "found", "null", "by chance", "excess", "p", "p (BH)", "verdict"]
    rows = [
        [
            one.question, one.module, number(one.value), one.null,
            beside(one.test.mean, one.test.sd), signed(one.test.excess, 3), number(one.test.p),
            number(one.corrected), one.words,
        ]
        for one in found
    ]  # fmt: skip
    return Table("Findings at a glance", head, rows)


@dataclass(frozen=True)
class Group:
    """A question, its answer in a sentence, what chance is, and the findings behind the answer.

    `top` is where the lines that the findings are drawn on end.
    """

    question: str
    answer: str
    chance: str
    findings: Sequence[Finding]
    top: float


def groups(found: Sequence[Finding]) -> list[Group]:
    """The findings by question."""
    asked = []
    for kind, question, chance, equal, more in _QUESTIONS:
        group = [one for one in found if one.kind == kind]
        if group:
            asked.append(Group(question, _answer(group, equal, more), chance, group, _top(group)))
    return asked


def _top(group: Sequence[Finding]) -> float:
    """A round number above all findings and their nulls, 1 at most."""
    reach = max(
        max(one.value, one.test.mean + 2 * one.test.sd) if one.chance_is_known else one.value
        for one in group
    )
    return next((top for top in _TOPS if top >= 1.05 * reach), 1.0)


_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_QUESTIONS = (
    (
        "layers",
        "Are the conversion matrices alike across layers?",
        "Mean φ over all pairs of layers; by chance: random factors through the same W0 (the propagated "
        "null), for W0⁻¹ alone makes them somewhat alike.",
        "conversion matrices of {} span the same subspace in all layers",
        "more alike across layers than random factors through the same W0",
    ),
    (
        "shared",
        "Does one shared layer yield every layer's factor?",
        "Mean share of the layers' subspaces that the best single layer captures; by chance: of random "
        "factors through the same W0 (the propagated null).",
        "one shared layer captures all of {}",
        "captured better by one shared layer than random factors through the same W0",
    ),
    (
        "adapters",
        "Do the two adapters span alike?",
        "Mean φ over the layers; by chance: unrelated subspaces (the gaussian null).",
        "the two adapters span the same subspaces in {}",
        "more alike between the two adapters than unrelated subspaces",
    ),
)


def _answer(group: Sequence[Finding], equal: str, more: str) -> str:
    parts = []
    names = {
        name: [one for one in group if one.verdict == name]
        for name in ("equal", "more", "less", "untold")
    }
    if names["equal"]:
        parts.append(equal.format(_named(names["equal"])))
    tested = [one for one in group if one.tested]
    if tested:
        parts.append(_of_tested(tested, names["more"], more))
    if names["less"]:
        parts.append(f"{_named(names['less'])}: clearly less than that null")
    if names["untold"]:
        parts.append(
            f"{_named(names['untold'])}: beyond telling, for {_why_untold(names['untold'])}"
        )
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _of_tested(tested: Sequence[Finding], found: Sequence[Finding], more: str) -> str:
    """How many exceed the null, by how much, and the p behind it."""
    names = _named(tested)
    if not found:
        least = number(min(one.test.p for one in tested))
        if len(tested) == 1:
            return f"{names} is not found to be {more} (p = {least})"
        return f"none of the {len(tested)} tested ({names}) is found to be {more} (p ≥ {least})"
    most = number(max(one.test.p for one in found))
    size = f"by an excess of {_excess(found)} (p {'=' if len(found) == 1 else '≤'} {most})"
    if len(found) < len(tested):
        are = "is" if len(found) == 1 else "are"
        return f"{len(found)} of the {len(tested)} tested ({names}) {are} {more}: {_named(found)}, {size}"
    if len(tested) == 1:
        return f"{names} is {more}, {size}"
    return f"all {len(tested)} tested ({names}) are {more}, {size}"


def _why_untold(found: Sequence[Finding]) -> str:
    if all(np.isfinite(one.test.z) for one in found):
        return SAME_W0
    return "the null does not vary"


def _named(found: Sequence[Finding]) -> str:
    """``A and B of query and value`` where every module has the same matrices, else one by one."""
    by_module: dict[str, list[str]] = {}
    for one in found:
        by_module.setdefault(one.module, []).append(LABELS[one.matrix])
    matrices = list(by_module.values())
    if all(names == matrices[0] for names in matrices):
        return f"{listed(matrices[0])} of {listed(list(by_module))}"
    return listed([f"{listed(names)} of {module}" for module, names in by_module.items()])


def _excess(found: Sequence[Finding]) -> str:
    values = sorted(one.test.excess for one in found)
    low, high = signed(values[0], 3), signed(values[-1], 3)
    return low if low == high else f"{low} to {high}"


def hedge(found: Sequence[Finding], draws: int) -> str:
    """How many tests stand behind the verdicts, how fine their p are, and what is left when corrected."""
    tests = sum(one.tested for one in found)
    if not tests:
        return "Nothing was tested."
    more = [one for one in found if one.verdict == "more"]
    left = sum(one.corrected <= LEVEL for one in more)
    corrected = (
        f" After Benjamini-Hochberg over the {tests} tests, {left} of the {len(more)} called “more” "
        f"{'remains' if left == 1 else 'remain'}."
        if more and tests > 1
        else ""
    )
    return (
        f"“More” is p ≤ {LEVEL}, uncorrected for the {counted(tests, 'test')} of this summary: about one "
        f"in twenty would be called so by chance alone.{corrected} p comes from {draws} draws, so it is "
        f"at least {1 / (draws + 1):.3f}. “No more than chance” is no proof of chance: a small effect may "
        f"be missed."
    )
