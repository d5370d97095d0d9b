"""Results → the text of CSV, JSON, Markdown and LaTeX files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from .layout import Table

_LATEX = {
    "φ": r"$\phi$",
    "θ": r"$\theta$",
    "ΔW": r"$\Delta W$",
    "±": r"$\pm$",
    "‖": r"$\|$",
    "–": "--",
    "−": "$-$",
    "·": r"$\cdot$",
    "ε": r"$\varepsilon$",
    "Σ": r"$\sum$",
    "²": "$^2$",
    "ᵀ": r"$^\top$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "∞": r"$\infty$",
}


def as_json(result: Mapping[str, Any]) -> str:
    """One JSON object, indented; numbers that are not finite are null."""
    return json.dumps(result, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Tidy CSV: one observation a row; empty where a number is not finite."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if _missing(value) else value for name, value in row.items()})
    return stream.getvalue()


def _missing(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def as_markdown(tables: Sequence[Table], *, said: str | None = None) -> str:
    """GitHub's Markdown: what is said, and one table below the other under their titles."""
    parts = [said.replace("|", r"\|")] if said else []
    parts += [
        f"**{table.title}**\n\n"
        + tabulate(
            [[cell.replace("|", r"\|") for cell in row] for row in table.rows],
            headers=table.head,
            tablefmt="github",
            disable_numparse=True,
        )
        for table in tables
    ]
    return "\n\n".join(parts) + "\n"


def as_latex(tables: Sequence[Table]) -> str:
    """LaTeX tables for ``booktabs``, each with its caption."""
    return "\n".join(map(_latex_table, tables))


def _latex_table(table: Table) -> str:
    body = tabulate(
        table.rows, headers=table.head, tablefmt="latex_booktabs", disable_numparse=True
    )
    caption = re.sub(r"([&%$#_{}])", r"\\\1", table.title)
    text = f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n{body}\n\\end{{table}}\n"
    for sign, command in _LATEX.items():
        text = text.replace(sign, command)
    return text
