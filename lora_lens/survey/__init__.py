"""Any questions over any number of adapters: split by place, a file each, joined at the end.

A *place* is one module in one layer. What is asked of it needs the adapters' factors there and, of some
questions, its W0; nothing of another place. So a task is a place, it writes one Parquet file, and no
task knows of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..callable_room import callable_room

if TYPE_CHECKING:
    from .write import survey  # noqa: TC004  (when it is asked for)

__all__ = ["survey"]

# Processes that a survey begins import this before they know their task.
callable_room(__name__, "write", "survey")
