"""How an experiment differs from the paper's, setting by setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

from ....show.layout import Table
from ....training.data import TASKS
from ...experiment.config import Config, Search
from ...experiment.config_file import read_config
from ...experiment.paper import NAMES, TASK_NAMES

# Of a run's settings: what they are called, in the order in which they matter.
_SETTINGS = {
    "target_modules": "target modules",
    "convention": "convention",
    "source": "what CondLoRA's factors are made of",
    "rank": "r",
    "alpha": "α",
    "dropout": "dropout",
    "batch_size": "batch",
    "max_length": "longest row, tokens",
    "group_by_length": "batches of rows of like length",
    "precision": "precision",
    "head": "where a regression begins",
    "warmup": "warm-up",
    "weight_decay": "weight decay",
    "patience": "patience, evaluations",
    "unused_rows": "rows of train that are never trained on",
    "unused_seed": "by which these are drawn",
    "stop_after": "ends before its schedule, after epochs",
}


def setup_table(config: Config) -> Table:
    """A row a setting in which the two differ, and none for the others."""
    paper = read_config("paper")
    compared: list[tuple[str, Any, Any]] = [
        ("base model", config.base, paper.base),
        ("tasks", _tasks(config), _tasks(paper)),
        *(
            (f"epochs, {TASK_NAMES[name]}", *_of_runs(config, paper, "epochs", name))
            for name in config.tasks
        ),
        *(
            (f"rows of {TASK_NAMES[name]}", *_of_runs(config, paper, "train_rows", name))
            for name in config.tasks
        ),
        *((label, *_of_runs(config, paper, key)) for key, label in _SETTINGS.items()),
        ("learning rates that were given", _given(config), _given(paper)),
        ("trials of a search", *_searched(config, paper, lambda search: search.trials)),
        ("seeds of a trial", *_searched(config, paper, lambda search: len(search.seeds) or 1)),
        ("epochs of a trial", *_searched(config, paper, lambda search: search.epochs or "a run's")),
        (
            "… of a run's own schedule",
            *_searched(config, paper, lambda search: search.cut or search.epochs is None),
        ),
        (
            "learning rates searched",
            *_searched(config, paper, lambda search: search.learning_rate),
        ),
        ("sampler", *_searched(config, paper, lambda search: search.sampler)),
        ("pruning", *_searched(config, paper, lambda search: search.prune)),
    ]
    return Table(
        "What was not as in the paper; every other setting is the same",
        ["setting", "here", "the paper's"],
        [[label, _shown(here), _shown(there)] for label, here, there in compared if here != there],
    )


def _searched(config: Config, paper: Config, value: Callable[[Search], Any]) -> tuple[Any, Any]:
    """Here and in the paper; here with what is a task's own."""
    here = value(config.search)
    own = {task: value(config.search.of(task)) for task in config.tasks}
    apart = [f"{_shown(it)} ({TASK_NAMES[task]})" for task, it in own.items() if it != here]
    return ", ".join([_shown(here), *apart]) if apart else here, value(paper.search)


def _tasks(config: Config) -> str:
    return ", ".join(TASK_NAMES[name] for name in TASKS if name in config.tasks)


def _of_runs(config: Config, paper: Config, key: str, task: str | None = None) -> tuple[Any, Any]:
    """A setting of the runs here (of one task, or of all) and of the paper's: the commonest, and where it is another."""
    runs = {
        (name, method): _setting(config, key, name, method)
        for name in ([task] if task else config.tasks)
        for method in config.names
    }
    here = Counter(runs.values()).most_common(1)[0][0]
    apart = [
        f"{_shown(value)} ({NAMES[method]}{'' if task else f' on {TASK_NAMES[name]}'})"
        for (name, method), value in runs.items()
        if value != here
    ]
    theirs = _setting(paper, key, task or next(iter(paper.tasks)), "lora")
    return ", ".join([_shown(here), *apart]) if apart else here, theirs


def _setting(config: Config, key: str, task: str, method: str) -> Any:
    """As the configuration says; the paper's epochs where it does not, or has no such task."""
    found = getattr(config.settings(task, method), key) if task in config.tasks else None
    if key == "train_rows":
        return "all" if found is None else f"{found:,}"
    if key == "unused_rows" and found is None:
        return "none"
    return TASKS[task].epochs if key == "epochs" and found is None else found


def _given(config: Config) -> str:
    """The learning rates that were not searched."""
    given = [
        f"{config.settings(task, method).learning_rate:g} ({NAMES[method]} on {TASK_NAMES[task]})"
        for task, method in product(config.tasks, config.names)
        if not config.is_searched(task, method)
    ]
    return ", ".join(given) or "none"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " to ".join(map(_shown, value)) if _numbers(value) else ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _numbers(value: tuple[Any, ...]) -> bool:
    return all(isinstance(each, float) for each in value)
