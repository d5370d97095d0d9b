"""What a question's answers say of the modules of every adapter, with what is the same of many said once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..show.wording import few, listed
from .analysed import Analysed, Answered, ModuleAnalysis

_MOST = 6  # adapters, or pairs of them, that are named

Answer = tuple[ModuleAnalysis, Answered]


def said_once(analysed: Analysed, answers: Sequence[Answer]) -> list[str]:
    """Each answer's sentence; that there were too few draws once, with all that it holds of."""
    together: defaultdict[tuple[str, int | None], list[Answer]] = defaultdict(list)
    for k, (module, answer) in enumerate(answers):
        hopeless = bool(answer.findings) and all(one.hopeless for one in answer.findings)
        said = answer.summary.removeprefix(f"{module.module}: ")
        together[said, None if hopeless else k].append((module, answer))
    return [
        analysed.summary(*some[0])
        if len(some) == 1
        else f"{_where(analysed, [module for module, _ in some])}: {said}"
        for (said, _), some in together.items()
    ]


def _where(analysed: Analysed, modules: Sequence[ModuleAnalysis]) -> str:
    """``query and value, of one, of other``: adapters, or pairs, that have the same modules together."""
    of: defaultdict[str, list[str]] = defaultdict(list)
    for one in modules:
        of[analysed.label(one.of)].append(one.module)
    labels: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for label, names in of.items():
        labels[tuple(names)].append(f"of {label}" if label else "")
    return "; ".join(
        ", ".join(filter(None, (listed(names), few(some, _MOST)))) for names, some in labels.items()
    )
