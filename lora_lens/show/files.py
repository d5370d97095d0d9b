"""A result's files: figures as PNG, SVG and PDF, tidy CSV, JSON, and Markdown and LaTeX tables."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure

from ..printable import safe_stem
from .drawing.placed import laid_out
from .layout import Table
from .paper import ENDINGS, PLAIN, Paper
from .text import as_json, as_latex, as_markdown

_NO_LETTER = re.compile(r"Glyph (\d+) .* missing from")  # matplotlib's, once a letter and file
_NO_DATE: Mapping[str, dict[str, None]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
_AS_TEXT: dict[Any, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.bbox": None,
}


def write_result(
    stem: str,
    numbers: Mapping[str, Any],
    tables: Sequence[Table],
    *,
    said: str | None = None,
    texts: Mapping[str, str],
    figures: Mapping[str, Figure],
    folder: Path,
    paper: Paper = PLAIN,
) -> list[str]:
    """Write ``STEM.json``, ``.md``, ``.tex``, texts and figures by what follows the stem; the files' names."""
    stem = safe_stem(stem)
    forms = {
        ".json": as_json(dict(numbers)),
        ".md": as_markdown(tables, said=said),
        ".tex": as_latex(tables, stem),
        **texts,
    }
    for suffix, text in forms.items():
        (folder / (stem + suffix)).write_text(text, encoding="utf-8")
    named = {stem + suffix: figure for suffix, figure in figures.items()}
    drawn = write_figures(named, folder, paper=paper)
    return [stem + suffix for suffix in forms] + drawn


def write_figures(
    figures: Mapping[str, Figure],
    folder: Path,
    endings: Sequence[str] = ENDINGS,
    paper: Paper = PLAIN,
) -> list[str]:
    """Write each figure as ``NAME.png``, ``NAME.svg`` and ``NAME.pdf``, as wide as it is; the files' names."""
    written = []
    with _letters_told_once():
        for name, figure in figures.items():
            # All of it and nothing around it, so that a width asked for is the file's. Words stay words, for a journal's typesetters and a search, and the title is in the file for who cannot see
            # it; a fixed salt and no date make the same result the same file.
            with (
                paper.settings(),
                rc_context(_AS_TEXT | {"svg.hashsalt": name}),
                laid_out(figure, rcParams["savefig.dpi"]),
            ):
                title = {"Title": " ".join(figure.get_suptitle().split()) or name}
                for ending in endings:
                    figure.savefig(folder / (name + ending), metadata=title | _NO_DATE[ending])
                    written.append(name + ending)
    return written


@contextmanager
def _letters_told_once() -> Iterator[None]:
    """Letters that the font has not, in one warning that says what to do."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    missing: dict[str, None] = {}
    for one in caught:
        if found := _NO_LETTER.match(str(one.message)):
            missing[chr(int(found[1]))] = None
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if missing:
        warnings.warn(
            f"the figures' font has no {''.join(missing)} and shows boxes there: give --style a sheet with a "
            f"font.family that has",
            UserWarning,
            stacklevel=3,
        )
