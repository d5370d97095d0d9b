"""Every table of an experiment of which something is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....show.layout import Table
from ...experiment.config import Config
from ...numbers.analysis_records import Analyses
from ...numbers.conversions import conversion_rows, taken_together, together_rows
from ...numbers.figure1 import layer_rows
from ...numbers.shares import predicted_shares
from ...numbers.table3 import comparison_rows
from ...runs.collect import Found
from .arms import arm_rows, arms_table
from .conversions import conversion_table, together_table
from .equivalence import equivalence_table
from .figure1 import layer_table
from .longer import longer_table
from .shared import shared_table
from .table2 import score_table
from .table3 import comparison_table
from .table4 import speed_table

Rows = Sequence[Mapping[str, Any]]
Tables = dict[str, tuple[Table, Rows]]


def tables_of(config: Config, found: Found) -> Tables:
    """Name to each table for which something is there, and its rows for CSV."""
    tables: Tables = {}
    if found.scores and config.methods:
        tables["table2"] = (
            score_table(found.scores, config.base, found.judged, config.equivalence.margin),
            [row for task in found.scores for row in task.rows()],
        )
    if found.scores and config.arms:
        tables["arms"] = (arms_table(config, found.scores), arm_rows(config, found.scores))
    if found.scores and any(found.judged.values()):
        tables["equivalence"] = (
            equivalence_table(found.judged),
            [one.row(task) for task, pairs in found.judged.items() for one in pairs],
        )
    if found.longer:
        tables["longer"] = (longer_table(found.longer), [one.row() for one in found.longer])
    if found.analyses:
        taken = [
            one
            for module in config.analysis.modules
            for one in taken_together(found.analyses, module)
        ]
        tables["conversions"] = (together_table(taken), together_rows(taken))
        if shares := predicted_shares(found.analyses, config.analysis.modules):
            tables["shared"] = (shared_table(shares), [one.row() for one in shares])
        for module in config.analysis.modules:
            tables |= _of_module(found.analyses, module, compared="condlora" in config.methods)
    if found.speed:
        methods = [{"method": name} | one for name, one in found.speed["methods"].items()]
        tables["table4"] = (speed_table(found.speed, config.base), methods)
    return tables


def _of_module(analyses: Analyses, module: str, *, compared: bool) -> Tables:
    tables: Tables = {
        f"conversions-{module}": (
            conversion_table(analyses, module),
            conversion_rows(analyses, module),
        ),
        f"figure1-{module}": (layer_table(analyses, module), layer_rows(analyses, module)),
    }
    if compared:
        tables[f"table3-{module}"] = (
            comparison_table(analyses, module),
            comparison_rows(analyses, module),
        )
    return tables
