"""A finished search as files: its trials, the best settings, and a figure of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from ..errors import SettingsError
from ..files.peft_names import CONFIG
from ..files.run_names import SEARCH, TENSORBOARD
from ..show.csv_text import table_csv
from ..staging import staged
from .history import history_sheet
from .ownership import ERROR, SURPLUS, folder_of, taken_up_twice
from .record import FORMAT, as_record, record_of_run
from .settings import RunSettings


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """One row a trial, in order: state, what was tried, development score, seconds, folder, error.

    The score of a pruned trial is its last. A trial that was killed or interrupted stands there as
    ``interrupted``; another one with its settings has gone on from where it was, in its folder. That
    lies in the ``--out`` of the process that trained it.
    """
    return [
        {
            "trial": trial.number,
            "state": _state(trial),
            **trial.params,
            "development_score": trial.value,
            "evaluations": len(trial.intermediate_values),
            "seconds": trial.user_attrs.get("seconds"),
            "folder": folder_of(trial),
            "error": trial.user_attrs.get(ERROR),
        }
        for trial in study.get_trials(deepcopy=False)
        if not _is_surplus(study, trial)
    ]


def _is_surplus(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
    """Whether another process has it: left to that, or put back a second time and never begun."""
    waiting = trial.state == TrialState.WAITING
    return SURPLUS in trial.user_attrs or (waiting and taken_up_twice(study, trial))


def _state(trial: optuna.trial.FrozenTrial) -> str:
    left = trial.state == TrialState.FAIL and ERROR not in trial.user_attrs
    return "interrupted" if left else trial.state.name.lower()


def best_trial(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The finished trial with the highest development score.

    Raises:
        SettingsError: None finished; names the last error, or says that another process is at one.
    """
    if not any(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)):
        errors = [row["error"] for row in trial_rows(study) if row["error"]]
        begun = any(trial.state == TrialState.RUNNING for trial in study.get_trials(deepcopy=False))
        why = "another process is at one; the same command goes on when that has ended"
        raise SettingsError(
            f"no trial of {study.study_name!r} finished; "
            + (why if begun else f"the last error: {errors[-1] if errors else 'none'}")
        )
    return study.best_trial


def write_search(study: optuna.Study, out: Path) -> dict[str, Any]:
    """Write ``search.json``, ``trials.csv`` and ``history.png`` and ``.svg``; what the JSON holds."""
    best, rows = best_trial(study), trial_rows(study)
    record = {
        "format": FORMAT,
        "study": study.study_name,
        "settings": study.user_attrs["settings"],
        "best": {
            "trial": best.number,
            **best.params,
            "development_score": best.value,
            "folder": folder_of(best),
        },
        "trials": rows,
    }
    with staged(out, last=SEARCH) as folder:
        heads = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / "trials.csv").open("w", newline="", encoding="utf-8") as stream:
            stream.write(table_csv(heads, rows))
        from ..show.drawing.with_matplotlib import (
            sheet,  # a second to load, once the search has ended
        )
        from ..show.files import write_figures

        figure = sheet(history_sheet(study.study_name, rows))
        write_figures({"history": figure}, folder, (".png", ".svg"))
        (folder / SEARCH).write_text(as_record(record), encoding="utf-8")
    return record


def trial_of(out: Path, settings: RunSettings, checksums: Mapping[str, str]) -> Path | None:
    """The folder of a finished trial in `out` that was made with just these settings of just these data, if one was."""
    for path in sorted(out.glob(f"trials/*/{CONFIG}")):
        if record_of_run(path.parent, settings.resolved(), checksums):
            return path.parent
    return None


def take_adapter(trial: Path, out: Path) -> None:
    """Copy a trial's adapter, its record and TensorBoard's logs to the folder of a run."""
    with staged(out, last=CONFIG) as folder:
        if (trial / TENSORBOARD).is_dir():
            shutil.copytree(trial / TENSORBOARD, out / TENSORBOARD, dirs_exist_ok=True)
        for file in trial.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
