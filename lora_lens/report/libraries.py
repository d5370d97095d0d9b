"""What a report is made with beside the tool itself."""

from __future__ import annotations

from ..errors import MissingExtraError


def check_libraries(what: str = "a report", extra: str = "report") -> None:
    """Find out early that the extra is there, of whoever makes a report.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    try:
        import jinja2
        import plotly
    except ImportError as error:
        raise MissingExtraError(
            f'{what} needs the extra: pip install "lora-lens[{extra}]" ({error})'
        ) from error
    del jinja2, plotly
