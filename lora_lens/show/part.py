"""A question's part of a page: what it says, shows and lists, in the order in which it is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .figure import HeatMap, Panel
from .layout import Table


@dataclass(frozen=True)
class Switch:
    """A choice of what the heat maps of a part show.

    Attributes:
        name: As the views and the maps have it in ``chosen``.
        label: Before it.
        options: Value and what it is called; none where the maps say which there are.
        first: The one that is shown at first.
        form: Buttons beside each other, or a list that opens.
    """

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    first: str
    form: Literal["radio", "select"] = "radio"


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page.

    Attributes:
        name: Its key, once in a page.
        caption: Above it.
        alt: What it shows, for those who do not see it.
        drawn: A panel of marks, or heat maps of which the switches choose one.
        x, y: What is along the axes of heat maps.
    """

    name: str
    caption: str
    alt: str
    drawn: Panel | tuple[HeatMap, ...]
    x: str = ""
    y: str = ""


@dataclass(frozen=True)
class Part:
    """One question about one module.

    Attributes:
        name: Its id in the page.
        title: The question.
        sentences: The answer; the first one is the summary.
        figures: The evidence.
        switches: What its heat maps show.
        stretch: Whether their colours can be stretched to what is there.
        tables: Its main numbers, shown at once.
        details: More of them, shown when asked for.
        legend: What the words mean.
        chance: What its findings stand beside, in a sentence; nothing where it has none.
        notes: What a reader should know.
    """

    name: str
    title: str
    sentences: Sequence[str]
    figures: Sequence[PageFigure] = ()
    switches: Sequence[Switch] = ()
    stretch: bool = False
    tables: Sequence[Table] = ()
    details: Sequence[Table] = ()
    legend: Sequence[str] = ()
    chance: str = ""
    notes: Sequence[str] = ()


_SYMBOL = re.compile(r"[^\Wa]\b")  # a letter alone that is no article
VIEWS = (("phi", "φ"), ("null", "chance"), ("excess", "excess"))


def sentence(text: str) -> str:
    """As it stands in a paragraph of its own; a symbol at its beginning stays one.

    Example:
        >>> sentence("a null has a mean"), sentence("p and φ describe")
        ('A null has a mean.', 'p and φ describe.')
    """
    begun = text if _SYMBOL.match(text) else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."
