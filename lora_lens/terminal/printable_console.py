"""rich's console, on which no text of a stranger does anything but stand there."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ..printable import printable


class PrintableConsole(Console):
    """Colours and lines are rich's own; a control character within a text becomes a sign."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What `renderable` is made of, cleaned."""
        for segment in super().render(renderable, options):
            text = segment.text
            clean = segment.control or text.isprintable()
            yield segment if clean else segment._replace(text=printable(text))
