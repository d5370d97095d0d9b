"""rich's console, on which no text of a stranger does anything but stand there."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..printable import printable
from ..show.plain_names import plainly


class PrintableConsole(Console):
    """Colours and lines are rich's own; a control character within a text becomes a sign, and a sign that the terminal's encoding lacks a name."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What `renderable` is made of, cleaned."""
        if isinstance(renderable, Text):
            renderable = self._named(renderable)
        for segment in super().render(renderable, options):
            text = segment.text
            clean = segment.control or text.isprintable()
            yield segment if clean else segment._replace(text=printable(text))

    def _named(self, text: Text) -> Text:
        """The same before its lines are broken, for names are longer than signs."""
        plain = plainly(text.plain, self.encoding)
        if plain == text.plain:
            return text
        named = text.copy()
        named.plain = plain
        return named
