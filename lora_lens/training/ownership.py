"""Which process runs a trial, so that one that was killed is taken up again at once and not lost."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

_OWNER = "owner"
_INTERRUPTED = "interrupted"
_HISTORY = "retry_history"  # Optuna's name for the trials that one takes up
ERROR = "error"  # why a trial crashed; such a trial is done
_CLOCK = 60  # seconds by which a process's start may seem to move where the clock is set right
SURPLUS = "surplus"  # begun by two processes at one moment, and left to the other


def claim(trial: optuna.Trial) -> None:
    """Write down that this process runs the trial."""
    started = psutil.Process().create_time()
    trial.set_user_attr(_OWNER, [socket.gethostname(), os.getpid(), started])


def leave(trial: optuna.Trial) -> None:
    """Mark the trial as to be taken up again."""
    trial.set_user_attr(_INTERRUPTED, True)


def take_back(study: optuna.Study) -> None:
    """Put trials back in the queue whose process is gone, or was interrupted.

    Of this machine those whose process is not there; of others those that have sent no heartbeat
    for as long as the storage allows.
    """
    for found in study.get_trials(deepcopy=False):
        trial = found
        if found.state == TrialState.RUNNING and _owner_is_gone(found):
            with suppress(ValueError, UpdateFinishedTrialError):  # another process has told it
                study.tell(found.number, state=TrialState.FAIL)
            trial = study.get_trials(deepcopy=False)[found.number]
        # Who told it may be killed before it puts it back, or be slow: twice is once (`taken_up_twice`), never is lost.
        if _is_left(trial) and not _taken_up(study, trial):
            put_back(study, trial)
    with _unwarned():
        fail_stale_trials(study)


def put_back(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial again with the same parameters and reports, and no owner until one claims it."""
    unowned = copy(trial)
    unowned.user_attrs = {
        key: value
        for key, value in trial.user_attrs.items()
        if key not in (_OWNER, _INTERRUPTED, SURPLUS)
    }
    with _unwarned():
        RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, unowned)


@contextmanager
def _unwarned() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def taken_up_twice(study: optuna.Study, trial: optuna.Trial | FrozenTrial) -> bool:
    """Whether an earlier trial takes up the same one: two processes may put it back at one moment."""
    trials = study.get_trials(deepcopy=False)
    history = trials[trial.number].system_attrs.get(_HISTORY)
    return bool(history) and any(
        other.system_attrs.get(_HISTORY) == history for other in trials[: trial.number]
    )


def original_number(trial: FrozenTrial) -> int:
    """The number of the trial that this one takes up again, or its own."""
    return int(trial.system_attrs.get("failed_trial", trial.number))


def folder_of(trial: FrozenTrial) -> str:
    """Where in ``--out`` the process that trains the trial puts its run: where the one that it takes up again had it."""
    return f"trials/{original_number(trial)}"


def place(study: optuna.Study, trial: optuna.Trial) -> int:
    """How many trials stand before this one that take up no other; before its original, where it takes up one.

    So what is taken up before its values were drawn draws the original's.
    """
    trials = study.get_trials(deepcopy=False)
    before = trials[: original_number(trials[trial.number])]
    return sum("failed_trial" not in other.system_attrs for other in before)


def _owner_is_gone(trial: FrozenTrial) -> bool:
    owner = trial.user_attrs.get(_OWNER)
    if owner is None or owner[0] != socket.gethostname():
        return False
    try:
        apart = abs(psutil.Process(owner[1]).create_time() - owner[2])
        # In a container that is begun again processes have the same numbers.
        return bool(apart > (0 if owner[1] == os.getpid() else _CLOCK))
    except psutil.NoSuchProcess:
        return True


def _is_left(trial: FrozenTrial) -> bool:
    """Whether it ended before its time: was interrupted, or told as lost."""
    known = trial.user_attrs.keys()
    return trial.state == TrialState.FAIL and (
        _INTERRUPTED in known or known.isdisjoint((ERROR, SURPLUS))
    )


def _taken_up(study: optuna.Study, trial: FrozenTrial) -> bool:
    return any(
        trial.number in other.system_attrs.get(_HISTORY, [])
        for other in study.get_trials(deepcopy=False)
    )
