"""The steps of an experiment, each done once: what is on disk is not done again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from transformers import TrainerCallback

from ...errors import AdapterError, SettingsError
from ...files.peft_names import CONFIG
from ...staging import staged
from ...training import trials
from ...training.data import open_data
from ...training.evaluate import answer, evaluate
from ...training.record import as_record, read_run
from ...training.resuming import tidy
from ...training.run import train
from ...training.search import refuse_several_processes, search
from ..experiment.config import Config, search_settings
from . import analysis, pairs
from .asked import asked_settings, check_asked
from .base_weights import opened
from .done import is_there, why_anew
from .steps import (
    ANSWERS_NAME,
    EVALUATION_NAME,
    UNUSED_SCORE,
    Step,
    analysed_runs,
    plan,
    runs_of,
    search_folder,
)

# A saved adapter scores, in float32, as the model that it was saved from: but for rounding.
# In bfloat16 a few rows near the boundary change sides, each worth 0.004 of RTE's 277 and 0.014 of WNLI's 71.
_SAME_SCORE = {"float32": 1e-4, "bfloat16": 5e-2}


class Watcher(Protocol):
    """Shows how an experiment goes on."""

    def __call__(self, message: str) -> None:
        """Say what is begun or skipped."""

    def callbacks(self) -> tuple[TrainerCallback, ...]:
        """New callbacks for one run, that show its progress."""


def run_steps(
    config: Config,
    out: Path,
    watcher: Watcher,
    *,
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    storage: str | None = None,
    use_cpu: bool = False,
) -> None:
    """Do every step that is not done yet; stopped at any moment, it goes on where it was.

    A run whose settings are those of a trial of its search is that trial's adapter, not trained
    again: one seed makes one adapter. An analysis waits until the runs of every method are there.

    Args:
        config: The experiment.
        out: Its folder: ``searches/TASK-METHOD``, ``runs/TASK-METHOD-SEED``, ``longer/…``,
            ``pairs/TASK.json`` and ``analyses/TASK-SEED``.
        watcher: Told of every step.
        tasks, methods: Only these, so that several processes or machines can share an experiment,
            each with its own part; by default all.
        storage: Optuna's, for searches that several machines share; by default a SQLite file each.
        use_cpu: Stay on the CPU though there is a GPU.

    Raises:
        SettingsError: `out` holds a run made with other settings than the configuration's, or the
            configuration has no such task or method.
        RecordError: The record of a step that is done is broken.
    """
    refuse_several_processes()
    _check_chosen("task", tasks, config.tasks)
    _check_chosen("method", methods, config.names)
    for step in plan(config, out, tasks, methods):
        if is_there(step):
            why = why_anew(config, out, step)
            if why is None:
                check_asked(config, step, out)
                watcher(f"done already: {step}")
                continue
            watcher(f"not done any more, {why}: {step}")
        of = analysed_runs if step.kind == "analysis" else runs_of
        runs = of(config, out, step.task, step.seed)
        of_runs = step.kind in ("pairs", "analysis")
        if of_runs and not all(run.written for run in runs):
            watcher(f"waits for the other methods' runs: {step}")
            continue
        if step.kind == "pairs" and not pairs.can_be_paired(runs):
            watcher(f"cannot be made, the runs' answers were not kept: {step}")
            continue
        watcher(str(step))
        if step.kind == "search":
            _search(config, step, storage, use_cpu, watcher.callbacks)
        elif step.kind in ("run", "longer"):
            _run(config, step, out, use_cpu, watcher.callbacks)
        elif step.kind == "pairs":
            pairs.compare_rows(config, step.task, runs, step.record)
        else:
            folders: dict[str, Path] = {run.of_method: run.folder for run in runs}
            for said in _of_other_commits(config.base, folders.values()):
                watcher(f"{said}: {step}")
            analysis.analyse(folders, config.base, config.analysis, step.folder)


def _of_other_commits(base: str, folders: Iterable[Path]) -> Iterator[str]:
    """Of each run whose base was at another commit than it is now; in a folder that is no hub's cache it has none."""
    now = opened(base).commit
    for folder in folders:
        then = read_run(folder).get("base_commit")
        if now and then and then != now:
            yield f"{folder} was trained on the commit {then[:12]} of {base}, and W0 is now that of {now[:12]}"


def _check_chosen(kind: str, chosen: Sequence[str], known: Collection[str]) -> None:
    for name in chosen:
        if name not in known:
            raise SettingsError(
                f"the configuration has no {kind} {name!r}; it has: {', '.join(known)}"
            )


def _search(
    config: Config,
    step: Step,
    storage: str | None,
    use_cpu: bool,
    callbacks: Callable[[], tuple[TrainerCallback, ...]],
) -> None:
    asked = config.search.of(step.task)
    study = search(
        search_settings(config, step.task, step.of_method),
        step.folder,
        trials=asked.trials,
        seeds=asked.seeds,
        space=asked.space,
        sampler=asked.sampler,
        prune=asked.prune,
        storage=storage,
        name=f"{config.name}-{step.task}-{step.method}",
        use_cpu=use_cpu,
        callbacks=callbacks,
    )
    trials.write_search(study, step.folder)


def _run(
    config: Config,
    step: Step,
    out: Path,
    use_cpu: bool,
    callbacks: Callable[[], tuple[TrainerCallback, ...]],
) -> None:
    settings = asked_settings(config, step, out)
    checksums = open_data(settings.task, settings.data, settings.own)[1].checksums
    if (step.folder / CONFIG).exists():
        # It was killed before it was scored, or before its checkpoints were removed.
        check_asked(config, step, out)
        _check_data(step, checksums)
        tidy(step.folder, keep=False)
    else:
        trial = trials.trial_of(search_folder(out, step.task, step.of_method), settings, checksums)
        if trial is None:
            train(settings, step.folder, resume=True, use_cpu=use_cpu, callbacks=callbacks())
        else:
            trials.take_adapter(trial, step.folder)
    record = read_run(step.folder)
    found, answers = answer(step.folder, step.task, config.data, use_cpu=use_cpu)
    # A search does not look at the test rows, so a trial's adapter has no such score yet.
    recorded = record.get("test_score")
    if recorded is not None and abs(found.score - recorded) > _SAME_SCORE[settings.precision]:
        raise AdapterError(
            f"{step.folder} scores {found.score} as it was saved and {recorded} as it was trained"
        )
    # The answers first: a run counts as done by its evaluation.
    _write_json(
        step.folder,
        ANSWERS_NAME,
        {"task": step.task, "part": found.part, "answers": answers},
        indent=None,
    )
    evaluation = asdict(found) | {"adapter": step.folder.name}
    if settings.unused_rows is not None:
        unused = evaluate(step.folder, step.task, config.data, part="unused", use_cpu=use_cpu)
        evaluation[UNUSED_SCORE] = unused.score
    _write_json(step.folder, EVALUATION_NAME, evaluation)


def _check_data(step: Step, checksums: Mapping[str, str]) -> None:
    """A score is of the data that its run was trained on; older records may not say which.

    Raises:
        SettingsError: The data are others now.
    """
    had = read_run(step.folder).get("data_sha256") or {}
    if other := sorted(name for name in had if had[name] != checksums.get(name)):
        raise SettingsError(
            f"{step.folder} was made with other data than it would be scored with now ({', '.join(other)}); give those that it was "
            f"made with, as they were given then, or choose another --out"
        )


def _write_json(folder: Path, name: str, value: dict[str, Any], *, indent: int | None = 2) -> None:
    with staged(folder) as stage:
        (stage / name).write_text(as_record(value, indent=indent), encoding="utf-8")
