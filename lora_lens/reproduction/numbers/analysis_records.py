"""What the analyses of an experiment's adapters wrote down: a record of every task and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

Record = Mapping[str, Any]  # module to question to what it found, as `analyse` wrote it
Analyses = Mapping[str, Mapping[int, Record]]  # by task and seed


class Answer(NamedTuple):
    """What one question found of one task's adapters with one seed."""

    task: str
    seed: int
    found: Mapping[str, Any]


def answers(
    analyses: Analyses, module: str, question: Literal["similarity", "comparison"]
) -> Iterator[Answer]:
    """What a question found of one module, task by task and seed by seed.

    What depends on no adapter, as layers and unrelated subspaces, the first has like the others.
    """
    for task, seeds in analyses.items():
        for seed, record in seeds.items():
            yield Answer(task, seed, record[module][question])
