"""Results → the text of JSON, Markdown and LaTeX files."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tabulate import Line, TableFormat, tabulate

from ..printable import one_line_of
from .layout import Table, true_minus
from .tex_letters import in_tex, needs

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
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "λ": r"$\lambda$",
    "σ": r"$\sigma$",
    "⁻¹": "$^{-1}$",
    "→": r"$\to$",
    "…": r"\ldots{}",
}


def as_json(result: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """One JSON object, indented or in one line, whose numbers are finite or None; NumPy's whole numbers are Python's."""
    text = json.dumps(
        result, indent=indent, allow_nan=False, ensure_ascii=False, default=operator.index
    )
    return text + "\n"


def as_markdown(tables: Sequence[Table], *, said: str | None = None) -> str:
    """GitHub's Markdown: what is said, and one table below the other under their titles."""
    parts = [one_line_of(said).replace("|", r"\|").replace("<", "&lt;")] if said else []
    parts += [
        f"**{in_markdown(table.title)}**\n\n"
        + tabulate(
            [[in_markdown(true_minus(cell)) for cell in row] for row in table.rows],
            headers=[in_markdown(head) for head in table.head],
            tablefmt="pipe",
            disable_numparse=True,
            colalign=_sides(table),
        )
        for table in tables
    ]
    return "\n\n".join(parts) + "\n"


def in_markdown(text: str) -> str:
    """Text that is no cell's end, no markup, no link and no tag."""
    return _MARKUP.sub(r"\\\g<0>", one_line_of(text))


def _sides(table: Table) -> list[str] | None:
    """Numbers stand at the right of their column, for their decimals to stand below each other."""
    return ["right" if one else "left" for one in table.numeric] if table.rows else None


def as_latex(tables: Sequence[Table], name: str = "") -> str:
    r"""LaTeX tables for ``booktabs``, each with its caption and a label.

    Args:
        tables: One below the other.
        name: The labels' own part: the first one's is ``tab:NAME``, then ``tab:NAME-2``, …; by default
            each has the first words of its title.

    Greek letters in names are set as mathematics. What pdfLaTeX has no letter for, as 模, stands as it is, and a
    comment at the head says which engine it takes.

    Example:
        >>> print(as_latex([Table("Means", ["layer", "mean"], [["0", "-0.5"]])], "similarity-value"))
        % \usepackage{booktabs}
        \begin{table}
        \centering
        \caption{Means}
        \label{tab:similarity-value}
        \begin{tabular}{rr}
        \toprule
           layer &   mean \\
        \midrule
               0 &   $-$0.5 \\
        \bottomrule
        \end{tabular}
        \end{table}
        <BLANKLINE>
    """
    labels = [
        _label(name) + (f"-{k}" if k > 1 else "") if name else _label(table.title, _WORDS)
        for k, table in enumerate(tables, start=1)
    ]
    body = "\n".join(map(_latex_table, tables, labels))
    graphics = _NEEDS_GRAPHICS if _SCALED in body else ""
    return f"{_NEEDS}{graphics}{needs(body)}{body}"


def _label(text: str, most: int | None = None) -> str:
    """Letters, figures and hyphens, which every class takes in a label."""
    return "-".join(re.findall(r"[A-Za-z0-9.]+", text)[:most]).lower()


# Code, a cell's end, a tag, a link or picture, and what is slanted or bold.
_MARKUP = re.compile(r"[\\`|<]|\[(?=[^\]]*\][(\[])|(?:^|(?<=\s))_|\*(?=\*)")
_WORDS = 6
_ESCAPED = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "^": r"\^{}",
    "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "`": r"\`{}",
}
_LIGATURE = re.compile(r"-(?=-)")  # two hyphens would be a dash
_OPTION = re.compile(r"^\s*(?=[\[*])")  # of the `\\` or the rule above it
# 1.5e-05: in a font of text its minus would be a hyphen.
_POWER = re.compile(r"(?<![\w.-])(\d(?:\.\d+)?)e([-+]\d\d+)(?= |$)", re.MULTILINE)
_LISTS = ("members",)  # heads of columns that list names
_NEEDS = "% \\usepackage{booktabs}\n"
_NEEDS_GRAPHICS = "% \\usepackage{graphicx}\n"
# Points: a page's text in LaTeX's own article, a letter of ten points on average, and what is between two columns.
_LINE, _LETTER, _GAP = 345, 4.8, 12
_SMALLER, _SMALL_GAP = 0.8, 6
_SMALL = "\\footnotesize\n\\setlength{\\tabcolsep}{3pt}\n"
_SCALED = "\\resizebox{\\linewidth}{!}"


def _power_of_ten(found: re.Match[str]) -> str:
    return rf"${found[1]}\cdot10^{{{int(found[2])}}}$"


def _fitted(table: Table, body: str) -> tuple[str, str]:
    """What makes a table as narrow as a page: smaller letters; of what is wider in those too, all of it scaled down."""
    letters = sum(max(map(len, column)) for column in zip(table.head, *table.rows, strict=True))
    columns = len(table.head)
    if letters * _LETTER + columns * _GAP <= _LINE:
        return "", body
    if _SMALLER * letters * _LETTER + columns * _SMALL_GAP <= _LINE:
        return _SMALL, body
    return _SMALL, f"{_SCALED}{{%\n{body}}}"


def _in_latex(text: str) -> str:
    return _LIGATURE.sub("-{}", "".join(_ESCAPED.get(sign, sign) for sign in text))


def _booktabs(table: Table) -> TableFormat:
    """How tabulate lays a table out; powers of ten are set as such, but not in what names a row or is a list of names."""
    names = {*table.naming, *(k for k, head in enumerate(table.head) if head in _LISTS)}

    def begin(_: Sequence[int], sides: Sequence[str]) -> str:
        columns = "".join(side[0] for side in sides)
        return f"\\begin{{tabular}}{{{columns}}}\n\\toprule"

    def row(cells: Sequence[str], *_: object, numbers: bool) -> str:
        written = [
            _POWER.sub(_power_of_ten, _in_latex(cell))
            if numbers and k not in names
            else _in_latex(cell)
            for k, cell in enumerate(cells)
        ]
        return _OPTION.sub(r"\g<0>{}", "&".join(written)) + r"\\"

    return TableFormat(
        lineabove=begin,
        linebelowheader=Line(r"\midrule", "", "", ""),
        linebetweenrows=None,
        linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
        headerrow=partial(row, numbers=False),
        datarow=partial(row, numbers=True),
        padding=1,
        with_header_hide=None,
    )


def _latex_table(table: Table, label: str) -> str:
    body = tabulate(
        [[one_line_of(true_minus(cell)) for cell in row] for row in table.rows],
        headers=list(map(one_line_of, table.head)),
        tablefmt=_booktabs(table),
        disable_numparse=True,
        colalign=_sides(table),
    )
    caption = _in_latex(one_line_of(table.title))
    size, body = _fitted(table, body)
    text = (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n{size}{body}\n"
        "\\end{table}\n"
    )
    text = re.sub(r"‖\\_([F2])", r"$\|_\1$", text)
    for sign, command in _LATEX.items():
        text = text.replace(sign, command)
    return in_tex(text)
