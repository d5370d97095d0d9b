"""Numbers as JSON, pandas and Jupyter take them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[np.float64]
Row = dict[str, Any]


def plain(value: float | Array) -> Any:
    """Numbers as JSON has them: lists and floats, None for what is not finite."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()] if value.ndim else plain(value.item())
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if np.isfinite(value) else None


class Tidy:
    """A result of rows, one observation each."""

    def rows(self) -> list[Row]:
        """One observation a row; names to plain values."""
        raise NotImplementedError

    def to_frame(self) -> DataFrame:
        """`rows` as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.rows())


def html_rows(title: str, rows: list[Row]) -> str:
    """Rows as a table with its caption."""
    return html_table(title, list(rows[0]), [list(row.values()) for row in rows])


def html_table(title: str, head: list[Any], body: list[list[Any]], *, shaded: bool = False) -> str:
    """A table with its caption; numbers from 0 to 1 on a shade of their size if `shaded`."""

    def cell(value: Any) -> str:
        if not isinstance(value, float):
            return f"<td>{html.escape(str(value))}</td>"
        shade = f' style="background:rgba(31,119,180,{0.75 * value:.3f})"' if shaded else ""
        return f"<td{shade}>{value:.3f}</td>"

    heads = "".join(f"<th>{html.escape(str(name))}</th>" for name in head)
    rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in body)
    return f"<table><caption>{html.escape(title)}</caption><tr>{heads}</tr>{rows}</table>"
