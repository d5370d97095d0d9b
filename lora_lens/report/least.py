"""Whether a report can be made within the memory that was asked for, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import LensError
from ..subspaces.memory import Least, memory_budget
from .options import options_of
from .request import Request
from .units import Unit


def check_memory(units: Sequence[Unit], request: Request) -> None:
    """Nothing where none was asked for, or it is enough.

    Raises:
        LensError: No such size, or less than some part of it takes, which is said.
    """
    if request.memory is not None:
        memory_budget(request.memory, *_leasts(units, request))


def _leasts(units: Sequence[Unit], request: Request) -> Iterator[Least]:
    for unit in units:
        options, _ = options_of(unit, request)
        for asked in unit.asked:
            try:
                yield from asked.least(unit.adapters, unit.module, options)
            except LensError:  # what cannot be asked takes nothing; why is said when it is asked
                continue
