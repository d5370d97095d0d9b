"""The findings at a glance: a row a question, with its number, what chance gives, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..results import NullTest
from ..results.significance import LEVEL
from ..tables.layout import LABELS, Table, number, signed
from .analysis import Analysed, ModuleAnalysis

Verdict = Literal["equal", "more", "no more", "less", "untold"]
_BELOW = -3.0  # deviations of the null, as in `sentences`: the tests are of the upper tail
_ONE = 1 - 1e-5
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
    """

    module: str
    matrix: str
    question: str
    kind: Literal["layers", "shared", "adapters"]
    value: float
    test: NullTest[float]
    null: str
    verdict: Verdict

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
    if value > _ONE:
        return "equal"
    if not np.isfinite(test.z):
        return "untold"
    if test.p <= LEVEL:
        return "more"
    return "less" if test.z < _BELOW else "no more"


def findings(analysed: Analysed) -> list[Finding]:
    """All modules' findings, question by question."""
    each = [list(_of_module(one)) for one in analysed.modules]
    order = {"layers": 0, "shared": 1, "adapters": 2}
    return sorted((one for found in each for one in found), key=lambda one: order[one.kind])


def _of_module(one: ModuleAnalysis) -> Iterator[Finding]:
    if one.similarity is not None and len(one.similarity.layers) > 1:
        for matrix, grid in one.similarity.items():
            if matrix == "BA" and _same(grid.values, one.similarity["B"].values):
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
            if matrix == "delta" and _same(series.values, one.comparison["B"].values):
                continue
            test = series.significance.of_mean
            question = f"Do the two adapters' {LABELS[matrix]} span alike? (mean φ)"
            yield _finding(one, matrix, question, "adapters", series.mean, test, "gaussian")


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


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=_SAME))


def glance_table(found: Sequence[Finding]) -> Table:
    """The findings as a table."""
    head = ["question", "module", "found", "by chance", "excess", "p", "verdict"]
    rows = [
        [
            one.question, one.module, number(one.value),
            f"{number(one.test.mean)} ± {number(one.test.sd)}", signed(one.test.excess, 3),
            number(one.test.p), one.words,
        ]
        for one in found
    ]  # fmt: skip
    return Table("Findings at a glance", head, rows)


@dataclass(frozen=True)
class Group:
    """A question, its answer in a sentence, what chance is, and the findings behind the answer."""

    question: str
    answer: str
    chance: str
    findings: Sequence[Finding]


def groups(found: Sequence[Finding]) -> list[Group]:
    """The findings by question."""
    asked = []
    for kind, question, chance, equal, more in _QUESTIONS:
        group = [one for one in found if one.kind == kind]
        if group:
            asked.append(Group(question, _answer(group, equal, more), chance, group))
    return asked


_QUESTIONS = (
    (
        "layers",
        "Are the conversion matrices alike across layers?",
        "Mean φ over all pairs of layers; by chance: random factors through the same W0.",
        "conversion matrices of {} span the same subspace in all layers",
        "more alike across layers than W0 alone makes them",
    ),
    (
        "shared",
        "Does one shared layer yield every layer's factor?",
        "Mean share of the layers' subspaces that the best one captures; by chance: of random factors "
        "through the same W0.",
        "one shared layer captures all of {}",
        "captured better by one shared layer than W0 alone makes them",
    ),
    (
        "adapters",
        "Do the two adapters span alike?",
        "Mean φ over the layers; by chance: unrelated subspaces.",
        "the two adapters span the same subspaces in {}",
        "more alike between the two adapters than unrelated subspaces are",
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
    tested = len(group) - len(names["equal"])
    if tested:
        count, of = len(names["more"]), f"{tested} tested ({_named(_rest(group))})"
        if not count:
            parts.append(f"none of the {of} is {more}")
        elif count == tested:
            parts.append(f"all {of} are {more}, by an excess of {_excess(names['more'])}")
        else:
            which = f"{_named(names['more'])}, by an excess of {_excess(names['more'])}"
            parts.append(f"{count} of the {of} {'is' if count == 1 else 'are'} {more}: {which}")
    if names["less"]:
        parts.append(f"{_named(names['less'])}: clearly less than that null")
    if names["untold"]:
        parts.append(f"{_named(names['untold'])}: beyond telling, for the null does not vary")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _rest(group: Sequence[Finding]) -> list[Finding]:
    return [one for one in group if one.verdict != "equal"]


def _named(found: Sequence[Finding]) -> str:
    """``A and B of query and value`` where every module has the same matrices, else one by one."""
    by_module: dict[str, list[str]] = {}
    for one in found:
        by_module.setdefault(one.module, []).append(LABELS[one.matrix])
    matrices = list(by_module.values())
    if all(names == matrices[0] for names in matrices):
        return f"{_listed(matrices[0])} of {_listed(list(by_module))}"
    return _listed([f"{_listed(names)} of {module}" for module, names in by_module.items()])


def _excess(found: Sequence[Finding]) -> str:
    values = sorted(one.test.excess for one in found)
    low, high = signed(values[0], 3), signed(values[-1], 3)
    return low if low == high else f"{low} to {high}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def hedge(found: Sequence[Finding], draws: int) -> str:
    """How many tests stand behind the verdicts, and how fine their p-values are."""
    tests = sum(one.verdict not in ("equal", "untold") for one in found)
    if not tests:
        return "Nothing was tested."
    return (
        f"Verdicts are by p ≤ {LEVEL}, uncorrected for the {tests} tests of this table: about one in "
        f"twenty would be called “more” by chance alone. p comes from {draws} draws, so it is at least "
        f"{1 / (draws + 1):.3f}. “No more than chance” is no proof of chance: a small effect may be missed."
    )
