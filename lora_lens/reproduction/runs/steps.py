"""What an experiment consists of: its steps in order, and where each leaves its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...files.run_names import SEARCH
from ..experiment.config import Config
from . import analysis

PAGE_NAME = "results.md"
EVALUATION_NAME = "evaluation.json"
UNUSED_SCORE = "unused_score"  # in the evaluation of a run that sets rows aside
ANSWERS_NAME = "answers.json"  # to every test row, in the order of the data
ANALYSED = ("lora", "condlora")
_LAST = {
    "search": SEARCH,
    "run": EVALUATION_NAME,
    "longer": EVALUATION_NAME,
    "analysis": analysis.RECORD_NAME,
}


@dataclass(frozen=True)
class Step:
    """A search, a run or an analysis of one task; `folder` holds what it leaves behind.

    A `longer` run is a run of more epochs, made only to see whether they help. `pairs` compares the
    methods' answers row by row, over all seeds; an analysis is of the runs of all methods with one
    seed; a search has no seed.
    """

    kind: Literal["search", "run", "pairs", "longer", "analysis"]
    task: str
    method: str | None
    seed: int | None
    folder: Path

    @property
    def record(self) -> Path:
        """The file that it writes last."""
        return self.folder / (f"{self.task}.json" if self.kind == "pairs" else _LAST[self.kind])

    @property
    def written(self) -> bool:
        """Whether its record is there; `why_anew` says whether that is of the runs that are."""
        return self.record.exists()

    @property
    def of_method(self) -> str:
        """Its method, or arm.

        Raises:
            ValueError: It is of several.
        """
        if self.method is None:
            raise ValueError(f"{self} is of no single method")
        return self.method

    def __str__(self) -> str:
        method = f" {self.method}" if self.method else ""
        seed = "" if self.seed is None else f", seed {self.seed}"
        kind = {"longer": "run of more epochs,", "pairs": "comparison by rows,"}.get(
            self.kind, self.kind
        )
        return f"{kind} {self.task}{method}{seed}"


def plan(
    config: Config, out: Path, tasks: Sequence[str] = (), methods: Sequence[str] = ()
) -> Iterator[Step]:
    """The steps in order, task by task: of every method and arm a search and a run a seed; then what is made of them.

    A learning rate that is given is not searched. What a table needs comes first: whether more epochs would help, which costs the most, is asked when
    all of a task's runs are there and compared. `tasks` and `methods` narrow it; by default it is all of the
    configuration's.
    """
    for task in tasks or config.tasks:
        for method in methods or config.names:
            if config.is_searched(task, method):
                yield Step("search", task, method, None, search_folder(out, task, method))
            for seed in config.seeds:
                yield Step("run", task, method, seed, run_folder(out, task, method, seed))
        if config.pairs:
            yield Step("pairs", task, None, None, out / "pairs")
        for method in methods or config.names:
            for seed in config.longer.seeds:
                yield Step("longer", task, method, seed, longer_folder(out, task, method, seed))
        # What is analysed is LoRA, and CondLoRA beside it.
        for seed in config.seeds if "lora" in config.methods else ():
            yield Step("analysis", task, None, seed, out / "analyses" / f"{task}-{seed}")


def runs_of(config: Config, out: Path, task: str, seed: int | None = None) -> list[Step]:
    """The runs of one task by every method, of one seed or of all."""
    return [
        step
        for step in plan(config, out, (task,))
        if step.kind == "run" and seed in (None, step.seed)
    ]


def analysed_runs(config: Config, out: Path, task: str, seed: int | None) -> list[Step]:
    """Those that an analysis is of: LoRA's and CondLoRA's with its seed."""
    return [run for run in runs_of(config, out, task, seed) if run.method in ANALYSED]


def search_folder(out: Path, task: str, method: str) -> Path:
    """Where a search's study and trials lie."""
    return out / "searches" / f"{task}-{method}"


def run_folder(out: Path, task: str, method: str, seed: int) -> Path:
    """Where a run's adapter lies."""
    return out / "runs" / f"{task}-{method}-{seed}"


def longer_folder(out: Path, task: str, method: str, seed: int) -> Path:
    """Where the adapter of a run of more epochs lies."""
    return out / "longer" / f"{task}-{method}-{seed}"
