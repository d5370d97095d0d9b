"""A report: one HTML file that is read without the tool, and sent to a colleague."""

from typing import TYPE_CHECKING

from ..callable_room import callable_room

if TYPE_CHECKING:
    from .write import report, write_report  # noqa: TC004  (when they are asked for)

__all__ = ["report", "write_report"]

callable_room(__name__, "write", "report", "write_report")
