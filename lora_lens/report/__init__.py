"""A report: one HTML file that is read without the tool, and sent to a colleague."""

from .write import write_report

__all__ = ["write_report"]
