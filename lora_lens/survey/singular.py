"""Places of a survey whose W0 is singular: what stands in for its inverse, and where nothing does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .planning import Failed
from .table import read_rows
from .task import PlaceTask


def without_inverse(tasks: Sequence[PlaceTask]) -> Iterator[Failed]:
    """A line for each place that has no conversions, for ``stored`` needs the inverse of W0."""
    for task, reason in _singular(tasks, "stored"):
        yield Failed(
            "", task.place.module, task.place.layer,
            f"no conversions: W0 is singular ({reason}) and has no inverse; --convention consistent takes the pseudo-inverse",
        )  # fmt: skip


def moore_penrose_said(tasks: Sequence[PlaceTask]) -> Iterator[str]:
    """A sentence for each module in which the Moore-Penrose inverse stands in."""
    by_module: dict[str, list[str]] = {}
    for task, reason in _singular(tasks, "consistent"):
        layer = task.place.layer
        where = "" if layer is None else f" layer {layer}"
        by_module.setdefault(task.place.module, []).append(f"{where} ({reason})")
    for module, places in by_module.items():
        yield f"W0 of {module} is singular in{','.join(places)}; conversions use the Moore-Penrose solution there"


def _singular(tasks: Sequence[PlaceTask], convention: str) -> Iterator[tuple[PlaceTask, str]]:
    for task in tasks:
        for row in read_rows(task.path, "singular", ["quantity", "reason"]).to_pylist():
            if row["quantity"] == convention:
                yield task, row["reason"]
