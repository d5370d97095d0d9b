"""Which process runs a trial, so that one that was killed is taken up again at once and not lost."""

from __future__ import annotations

import os
import socket
import warnings

import optuna
import psutil
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

_OWNER = "owner"
_INTERRUPTED = "interrupted"
ERROR = "error"  # why a trial crashed; such a trial is done


def claim(trial: optuna.Trial) -> None:
    """Write down that this process runs the trial."""
    started = psutil.Process().create_time()
    trial.set_user_attr(_OWNER, [socket.gethostname(), os.getpid(), started])
    trial.set_user_attr(_INTERRUPTED, False)  # which a trial taken up again inherits


def leave(trial: optuna.Trial) -> None:
    """Mark the trial as to be taken up again."""
    trial.set_user_attr(_INTERRUPTED, True)


def take_back(study: optuna.Study) -> None:
    """Put trials of this machine back in the queue whose process is gone, or was interrupted.

    Trials of other machines are watched by Optuna's heartbeat instead.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        retry = RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)
    for trial in study.get_trials(deepcopy=False):
        lost = trial.state == TrialState.RUNNING and _owner_is_gone(trial)
        interrupted = trial.state == TrialState.FAIL and trial.user_attrs.get(_INTERRUPTED)
        if lost:
            study.tell(trial.number, state=TrialState.FAIL)
        if lost or (interrupted and not _taken_up(study, trial)):
            retry(study, trial)


def original_number(study: optuna.Study, trial: optuna.Trial) -> int:
    """The number of the trial that this one takes up again, or its own."""
    frozen = study.get_trials(deepcopy=False)[trial.number]
    return int(frozen.system_attrs.get("failed_trial", trial.number))


def _owner_is_gone(trial: FrozenTrial) -> bool:
    owner = trial.user_attrs.get(_OWNER)
    if owner is None or owner[0] != socket.gethostname():
        return False
    try:
        return bool(psutil.Process(owner[1]).create_time() != owner[2])
    except psutil.NoSuchProcess:
        return True


def _taken_up(study: optuna.Study, trial: FrozenTrial) -> bool:
    return any(
        trial.number in other.system_attrs.get("retry_history", [])
        for other in study.get_trials(deepcopy=False)
    )
