"""The results as a page: plain Markdown that is whole when it is read as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from ...several import counted
from ...show.layout import Table
from ..experiment.config import Config
from ..experiment.config_file import SHIPPED
from ..experiment.paper import NAMES, TASK_NAMES
from ..runs.collect import Found
from .claims import claims
from .parts.finished import finished_part
from .parts.layers import figure1_part, table3_part
from .parts.scores import arms_part, longer_part, scores_part
from .parts.shared import shared_part
from .sheet import NOTHING, pictures, shown
from .tables.agreement import agreement_table
from .tables.setup import setup_table


def results_page(
    config: Config,
    found: Found,
    tables: Mapping[str, Table],
    figures: Sequence[str],
    *,
    margin_given: bool = False,
) -> str:
    """The page: what is finished, every table with what it says, and what agrees with the paper.

    Args:
        config: The experiment.
        found: What is done of it.
        tables: By name, as in ``tables/``.
        figures: Names of the files in ``figures/``.
        margin_given: Whether the margin of equivalence was given beside the configuration.
    """
    of = "The paper's experiment" if config.methods else "CondLoRA and its controls"
    parts = [
        f"# {of} on {config.base}: {config.name}",
        _opening(config, margin_given=margin_given),
        *([config.remarks.strip()] if config.remarks.strip() else []),
        *finished_part(found),
        *(_of_methods(config, found, tables, figures) if config.methods else []),
        *(_of_arms(config, found, tables, figures) if config.arms else []),
        "## How it was made",
        shown(setup_table(config)),
    ]
    return "\n\n".join(parts) + "\n"


def _of_methods(
    config: Config, found: Found, tables: Mapping[str, Table], figures: Sequence[str]
) -> list[str]:
    """The paper's tables, each with what it says."""
    return [
        "## What agrees with the paper, what does not, what cannot be told",
        *_agreement(config, found),
        "## Scores: Table 2",
        *(scores_part(found, tables) if found.scores else [NOTHING]),
        *pictures(figures, {"scores": _SCORES}),
        "## Whether the runs are long enough",
        *longer_part(config, found, tables),
        *pictures(figures, {"curves": _CURVES}),
        "## What one shared layer predicts of every layer's factors",
        *(
            shared_part(config, found, tables)
            if "shared" in tables
            else [_NOT_ASKED if found.analyses else NOTHING]
        ),
        "## Are the layers' conversions alike: Figure 1",
        *(figure1_part(config, found, tables, figures) if found.analyses else [NOTHING]),
        "## LoRA against CondLoRA, layer by layer: Table 3",
        *(table3_part(config, found, tables, figures) if found.analyses else [NOTHING]),
        "## Parameters and speed: Table 4",
        *([shown(tables["table4"]), _SPEED] if "table4" in tables else [NOTHING]),
    ]


def _of_arms(
    config: Config, found: Found, tables: Mapping[str, Table], figures: Sequence[str]
) -> list[str]:
    """Scores of every arm, and of the first against each; what stands among the methods' parts is not said again."""
    alone = not config.methods
    parts = ["## Scores: arms", *arms_part(found, tables, alone=alone)]
    if alone:
        parts += [
            *pictures(figures, {"scores": _SCORES}),
            "## Whether the runs are long enough",
            *longer_part(config, found, tables),
            *pictures(figures, {"curves": _CURVES}),
        ]
    return parts


_SCORES = "Test scores by task, a mark a seed; hollow: not learnt"
_CURVES = "Development score over the epochs, a line a seed"


_NOT_ASKED = "The analyses on record do not have this: they are of a version that did not ask it yet. Those of an experiment made anew do."
_SPEED = (
    "Both methods took their steps in turn in one process, so the ratio is of like with like; examples a "
    "second are that machine's."
)


def _opening(config: Config, *, margin_given: bool) -> str:
    methods = ", ".join(NAMES[method] for method in config.names)
    tasks = ", ".join(TASK_NAMES[task] for task in config.tasks)
    shipped = config.name in SHIPPED
    given = f" --margin {config.equivalence.margin:g}" if margin_given else ""
    return (
        f"{methods} on {tasks}; a learning rate {_how_found(config)}, then a run with each of "
        f"{counted(len(config.seeds), 'seed')}. Every table and sentence of this page is made from the "
        "records beside it (settings, checksums, scores over time, answers, grids), without data or base model, by\n\n"
        f"    lora-lens reproduce {config.name if shipped else 'CONFIG.toml'} --out FOLDER --print{given}\n\n"
        f"where FOLDER is the one that holds this page{'' if shipped else f', and CONFIG.toml the configuration {config.name}'}. With GLUE's files, `--data glue/` and an empty folder "
        "the same command without `--print` makes the experiment anew."
    )


def _how_found(config: Config) -> str:
    """Where learning rates are from."""
    pairs = list(product(config.tasks, config.names))
    given = [
        f"{NAMES[method]}'s on {TASK_NAMES[task]}"
        for task, method in pairs
        if not config.is_searched(task, method)
    ]
    if len(given) == len(pairs):
        return "given for each task and method"
    but = f" (but {', '.join(given)}, given)" if given else ""
    return f"searched for each task and method{but}"


def _agreement(config: Config, found: Found) -> Iterator[str]:
    listed = claims(config, found)
    if not listed:
        yield NOTHING
        return
    yield shown(agreement_table(listed))
